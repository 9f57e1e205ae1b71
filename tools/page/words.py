"""What a recorder's codes are called by people: one short line each, for page and terminal.

What would end a wait is not here: the recorder says that itself (`ends_when`).
"""

_TITLES = """
idle: Ready
recording: Recording
armed: Listening, records when somebody speaks
off_schedule: Outside its hours
time_unknown: It does not know the time
storage_full: The card is full
storage_failed: The card does not work
microphone_failed: The microphone gives nothing
microphone_dead: The microphone is silent as a dead one
microphone_stuck: The microphone is stuck
microphone_blocked: The microphone is covered
low_memory: Short of memory
read_failed: A clip cannot be read from the card
battery_low: The battery is nearly empty
dozing: Dozing until it gets loud
nothing_to_send: Nothing to send
sending: Sending
starting: Starting
link_down: Not connected yet
wifi_not_found: Wi-Fi is out of reach
wifi_refused: The Wi-Fi password is refused
wifi_error: The radio has an error
no_wifi_configured: No network is set up
link_dead: Connected, but nothing comes through
link_changing: Changing the way out
modem_silent: The modem does not answer
sim_absent: No SIM card
sim_busy: The SIM card is not ready
sim_blocked: The SIM card is blocked
sim_pin_needed: The SIM card wants a PIN
sim_pin_wrong: The PIN of the SIM card is wrong
cellular_not_found: No 4G network in reach
cellular_denied: The 4G network refuses the SIM card
roaming: A foreign 4G network
apn_refused: The access point of 4G is refused
no_carrier: 4G does not take the call
ppp_failed: 4G gives no address
dns_failed: The name server does not answer
connect_failed: The server cannot be reached
connection_lost: The connection broke
timeout: No answer came in time
bad_answer: The answer is not the cloud's
portal: A sign-in page answers in place of the cloud
throttled: The cloud asks to wait
server_error: The cloud has trouble
no_token: No device token
auth_refused: The cloud refuses the token
tls_untrusted: The server's certificate is not trusted
tls_wrong_name: The certificate is for another name
tls_dates: The certificate's dates do not fit
clock_wait: Waiting to learn the time
verification_pending: The cloud still checks what it got
link_too_slow: The link is too slow for this clip
url_refused: Storage refuses the upload URL
config_refused: The cloud does not take these settings
brown_out: The supply broke down
cap_day: The day's data is used up
cap_month: The month's data is used up
off_peak: Waiting for the cheap hours
taking_turns: Waiting for its turn among the fleet
refused: Refused by the cloud
gone_in_cloud: The recording is gone in the cloud
conflict: In conflict with the cloud
integrity_failure: It arrived damaged
probably_uploaded: Probably uploaded already
too_short: Shorter than a second
damaged: Damaged on the flash
file_missing: Its audio is missing
record_unreadable: Its record cannot be read
collected: Collected over the cable
other_epoch: Of another user
kills_device: Three starts died with it
power_off: No power
no_answer: It starts, and has not spoken yet
way_4g: Goes over 4G
slow: An upload takes its time
asked_again: An answer was lost: it asked again
"""
_OF_CODE = dict(line.split(": ", 1) for line in _TITLES.strip().splitlines())


def title(code: str) -> str:
    """The line for a code; a code that nobody named reads as it is written."""
    return _OF_CODE.get(code) or code.replace("_", " ")


def has_title(code: str) -> bool:
    return code in _OF_CODE
