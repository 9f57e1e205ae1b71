"""A recorder on a laptop: every port of device/hal/ports.py, real where it can be, steered from
outside.

The board's folder (the current folder of the process) holds `board.json`, the specification that
the simulator wrote, the flash image, the secrets store and what the microphone will hear.
"""
