"""What the codes of a self-test mean in words, and what to do next."""

NEXT = {
    "silent": "The microphone gives no samples. Check its cable and I2S pins.",
    "stuck": "Every sample is the same. Check the microphone's data pin and its L/R pin.",
    "clipped": "It is far too loud. Check the microphone's supply, or move away from the noise.",
    "no_tone": "The tone was not heard. Play it nearer, and look for a covered opening.",
    "slow": "The card stalls longer than recording can bridge. Take another card.",
    "storage_full": "No room. `recorder pull` and `deliver`, then `receipt`, free it.",
    "damaged": "What was read back is not what was written. Take another card.",
    "low": "Charge the battery.",
    "not_pressed": "No press arrived. Check the button and its pin.",
    "not_seen": "The light did not show. Check it and its pin.",
    "no_wifi_configured": "No network in the settings. `recorder provision` writes one.",
    "wifi_not_found": "The network is not in reach here, or its name is written otherwise.",
    "wifi_refused": "The password is refused. Write it again with `recorder provision`.",
    "link_down": "The access point does not let it in. Is it full, or does it filter boards?",
    "dns_failed": "The network has no name server that answers. A sign-in page, or no internet?",
    "timeout": "No answer came in time. Does a firewall stop it?",
    "connect_failed": "The server cannot be reached. Does a firewall stop it?",
    "connection_lost": "The connection broke. Try again nearer to the access point.",
    "portal": "Something else answers in place of the cloud: a sign-in page?",
    "tls_untrusted": "The server's certificate is not ours: something reads along, or the address "
    "is wrong.",
    "tls_wrong_name": "The certificate is for another name. Check cloud.api_url.",
    "tls_dates": "Certificate and clock disagree. Is the clock set (see clock)?",
    "no_token": "No device token on board. `recorder provision` writes one.",
    "auth_refused": "The cloud refuses the token. Renew it with `recorder provision`.",
    "server_error": "The cloud has trouble of its own. Try again later.",
    "throttled": "The cloud asks to wait. Try again in some minutes.",
    "no_roots": "No trusted roots: no server is believed. `recorder update` with a set of roots, "
    "or `recorder provision`, brings some.",
    "root_ends": "It ends within a year: bring a newer set with `recorder update` in time.",
    "root_ended": "It has ended: bring a newer set with `recorder update`.",
    "no_modem": "cellular.apn is set, and this board has no modem. Another board, or clear it.",
    "modem_silent": "The modem does not answer. Check its supply, UART pins and power key.",
    "sim_absent": "No SIM card is found. Put one in, contacts to the modem.",
    "sim_busy": "The SIM card is not ready. Try again in a minute.",
    "sim_blocked": "The SIM card wants its PUK: unblock it in a telephone.",
    "sim_pin_needed": "The SIM card wants a PIN. `recorder provision` writes one.",
    "sim_pin_wrong": "The PIN is wrong, and is not tried again. Write the right one.",
    "cellular_not_found": "No network in reach. Antenna on? Another place?",
    "cellular_denied": "The network refuses this SIM card. Is it activated, with a data plan?",
    "roaming": "A foreign network, and cellular.roaming is not set.",
    "apn_refused": "The access point is refused. Check cellular.apn with the provider.",
    "no_carrier": "The call for data fails. Check cellular.apn and the data plan.",
    "bad_answer": "The answer is none of the cloud's. A proxy in between?",
    "refused": "The cloud refuses the trial clip. `recorder doctor` shows what it said.",
    "url_refused": "Storage refuses its own address: is the clock right?",
    "storage_failed": "The medium cannot be written. Take another card.",
    "no_requests": "This firmware holds no `requests`: no second opinion.",
}
_SHOWN = (
    ("name", "{}"),
    ("rssi_dbm", "{} dBm"),
    ("level_dbfs", "level {} dB"),
    ("noise_dbfs", "noise {} dB"),
    ("tone_share_pct", "tone {} %"),
    ("write_kb_s", "{} KiB/s"),
    ("stall_ms", "longest stall {} ms"),
    ("free_kb", "{} KiB free"),
    ("percent", "{} %"),
    ("recording", "{}"),
    ("ends", "until {}"),
    ("took_ms", "{} ms"),
    ("said", "{}"),
)


def line(test: dict) -> str:
    """One test as a line: what, how, and what to do next if it failed."""
    word = {True: "good", False: "BAD ", None: "—   "}[test["ok"]]
    facts = ", ".join(form.format(test[n]) for n, form in _SHOWN if test.get(n) is not None)
    said = f"{word}  {test['test'].replace('_', ' ')}" + (f": {facts}" if facts else "")
    if test["ok"] is False:
        detail = f" ({test['detail']})" if test.get("detail") else ""
        said += f"\n      {test['code']}{detail}. {NEXT.get(test['code'], '')}".rstrip()
    return said


def opinion(tests: list[dict]) -> str:
    """What the two clients say together: whose fault it is."""
    found = {test["test"]: test for test in tests}
    own, second = found.get("heartbeat"), found.get("second_opinion")
    if not own or not second or second["ok"] is None:
        return ""
    if own["ok"] and second["ok"]:
        return "Both ways to the cloud work: network, clock, certificate and token are right."
    if not own["ok"] and not second["ok"]:
        return "Both ways to the cloud fail: it is the network, the clock or the token."
    failed = "the recorder's own client" if second["ok"] else "the second client"
    return f"Only {failed} fails: it is our software. `recorder doctor --bundle`, and tell us."
