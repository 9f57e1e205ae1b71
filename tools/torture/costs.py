"""What each operation costs on a board, in milliseconds: one table, so that a measurement on a
device replaces a line. Sources: the shared performance.md, sections 1 and 2.3.
"""

ERASE = 53  # a 4 KiB block of internal flash
PROGRAM_PER_KIB = 1.5
READ = 0.03  # a block [assumed]
COMMIT = 6  # a program of metadata
CARD_WRITE = 5  # 4 KiB on an SD card
CARD_STALL = 250  # one write in CARD_STALL_EVERY
CARD_STALL_EVERY = 500
HANDSHAKE = 1_200
HANDSHAKE_STEP = 400  # the longest that it holds the processor
DNS = 200
DNS_FAILURE = 5_000
ROUND_TRIP = 70
WINDOW_BYTES = 5_760  # on the way at one time
GC = 10  # [assumed]
SERVER = 30  # the simulated cloud's own time for a request [assumed]
