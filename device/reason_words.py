"""What would end a wait, in words: a line for each code of reasons.py.

Loaded when a status document is made, and let go of again: it is 3 KB that nothing else needs.
"""

LANE = """
nothing_to_send: a clip is closed
sending: the clip in hand is delivered
starting: the start-up is through
link_down: Wi-Fi or 4G connects
wifi_not_found: the network comes into reach
wifi_refused: the Wi-Fi password is corrected
wifi_error: the radio's driver works again after it was off, or after a reset
no_wifi_configured: a network is put into the settings
link_dead: an answer comes through; the way is left and begun anew
link_changing: the better way was tried
modem_silent: the modem answers, at the latest after its power was off
sim_absent: a SIM is put in
sim_busy: the SIM is ready
sim_blocked: somebody unblocks the SIM with its PUK, in a telephone
sim_pin_needed: the PIN of the SIM is put into the secrets
sim_pin_wrong: the right PIN is put into the secrets; a wrong one is never tried twice
cellular_not_found: the modem finds a network
cellular_denied: the network lets the SIM in; is it activated, and its contract for data?
roaming: the SIM's own network comes into reach, or cellular.roaming is allowed
apn_refused: cellular.apn is corrected
no_carrier: the network takes the call
ppp_failed: the network gives an address
dns_failed: the name server answers
connect_failed: the server accepts a connection
connection_lost: the connection holds for a whole transfer
timeout: the server answers in time
bad_answer: the server answers as its contract says
portal: a sign-in page stops answering in place of the cloud
throttled: the cool-down that the server asked for is over
server_error: the server recovers
no_token: a device token is provisioned
auth_refused: the device token is renewed or its binding restored
tls_untrusted: the server shows a certificate that our roots sign
tls_wrong_name: the server shows a certificate for its own name
tls_dates: the certificate is renewed, or the clock set
clock_wait: the time is known, or the wait for it is over
verification_pending: the cloud has hashed what it stored
link_too_slow: another or faster link is there; tried anew when the measure is 6 hours old
url_refused: storage accepts a fresh upload URL
config_refused: the settings are corrected
low_memory: memory for a connection is free
read_failed: the medium reads the clip again; after five failures it is set aside
storage_full: there is room for a record again
storage_failed: the medium is exchanged or mounts again
battery_low: the charger is put in
brown_out: the supply has been steady for two minutes
cap_day: the next day begins, another network is in reach, or its daily_mb is raised
cap_month: the next month begins, another network is in reach, or its monthly_mb is raised
off_peak: the hours of cellular.off_peak begin, or Wi-Fi is in reach
taking_turns: it is this device's turn: the cloud's requests are shared by the whole project
other_epoch: somebody decides: requeue --other-epoch, or upload.former_user
"""
CLIP = """
refused: somebody looks at what the cloud said and requeues it
gone_in_cloud: somebody decides whether to send it again
conflict: somebody compares it with the cloud
integrity_failure: it is sent again
probably_uploaded: somebody finds it in the cloud
too_short: nothing: it holds less than one second
damaged: somebody looks at the file
file_missing: nothing: the audio is gone
record_unreadable: somebody looks at the record
collected: its receipt comes over the cable, or somebody requeues it
other_epoch: somebody decides (requeue --other-epoch), or upload.former_user does
kills_device: a release that survives it, and somebody requeues it
"""
RECORDER = """
idle: the button is pressed
recording: the take is stopped
armed: somebody speaks
off_schedule: the next window of the schedule begins
time_unknown: the time is known, which the schedule needs
storage_full: sent clips are freed
storage_failed: the medium is exchanged or mounts again
microphone_failed: the microphone is repaired
microphone_dead: the microphone gives more than digital silence
microphone_stuck: the microphone gives more than one value
microphone_blocked: the microphone hears again; is its opening covered?
low_memory: memory is free again
battery_low: the charger is put in
dozing: it gets loud where the recorder is
"""
MEDIUM = """
in_use: nothing: new clips go to it
medium_lost: the card is put in again, or exchanged; it is tried by itself
"""
UPDATE = """
no_key: a key of the maker is put on the board, over the cable
bad_signature: somebody brings a bundle that the maker's key signed
bad_bundle: the file is copied again, or made again
bad_hash: the file is copied again; its bytes are not those that were signed
wrong_arch: somebody brings the bundle for this chip
too_old: somebody brings a newer bundle, or one that is signed for going back
installed: nothing: this version runs already
no_room: files are removed from the board's own flash
on_trial: the program that is tried has proved itself, or was taken back
storage_failed: the board's own flash can be written again
low_memory: it is tried again at the next start
"""
