"""What the rescue program needs of the settings, from whatever of them can be read.

config.json may be broken (that may be why it runs): then the last good settings that the full
program kept, then the defaults. Keys: device/config_table.py.
"""

import json

from rescue.clips import read_slots

_API_URL = "https://api.bota.dev"
_NTP_SERVER = "pool.ntp.org"


def read(root, path="config.json"):
    """(names of networks, origin of the API, name of the time server); never raises."""
    kept = read_slots("config1", root + "/state/config")[1]
    try:
        with open(path, "rb") as f:
            tree = json.loads(f.read())
    except (OSError, ValueError, MemoryError, RuntimeError):
        tree = None
    networks = _value(tree, kept, "wifi", "networks")
    api_url = _value(tree, kept, "cloud", "api_url")
    ntp_server = _value(tree, kept, "clock", "ntp_server")
    if not isinstance(networks, list):
        networks = []
    if not isinstance(api_url, str) or not api_url.startswith("https://"):
        api_url = _API_URL
    if not isinstance(ntp_server, str):
        ntp_server = _NTP_SERVER
    return [name for name in networks if isinstance(name, str)], api_url, ntp_server


def _value(tree, kept, section, name):
    if isinstance(tree, dict) and isinstance(tree.get(section), dict) and name in tree[section]:
        return tree[section][name]
    return kept.get(section + "." + name)


def store_id(secrets):
    """Eight hex digits that tell this store of clips from an earlier one (app.store_id)."""
    value = secrets.get("store_id")
    if not value:
        import os
        from binascii import hexlify

        value = hexlify(os.urandom(4)).decode()
        secrets.set("store_id", value)
    return value
