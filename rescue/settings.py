"""What the rescue program needs of the settings, from whatever of them can be read.

config.json may be broken (that may be why it runs): then the last good settings that the full
program kept, then the defaults. Keys: device/config_table.py.
"""

import json

from rescue.clips import read_slots

_DEFAULTS = {
    "networks": [],
    "api_url": "https://api.bota.dev",
    "ntp_server": "pool.ntp.org",
}
_PLACES = (
    ("wifi", "networks", list),
    ("cloud", "api_url", str),
    ("clock", "ntp_server", str),
)


def read(root, path="config.json"):
    """{"networks": [names], "api_url": …, "ntp_server": …}; never raises."""
    found = dict(_DEFAULTS)
    kept = read_slots("config1", root + "/state/config")[1]
    try:
        with open(path, "rb") as f:
            tree = json.loads(f.read())
    except (OSError, ValueError, MemoryError, RuntimeError):
        tree = None
    for section, name, kind in _PLACES:
        value = kept.get(section + "." + name)
        if isinstance(tree, dict) and isinstance(tree.get(section), dict):
            value = tree[section].get(name, value)
        if isinstance(value, kind) and value:
            found[name] = value
    found["networks"] = [name for name in found["networks"] if isinstance(name, str)]
    if not found["api_url"].startswith("https://"):
        found["api_url"] = _DEFAULTS["api_url"]
    return found


def store_id(secrets):
    """Eight hex digits that tell this store of clips from an earlier one (app.store_id)."""
    value = secrets.get("store_id")
    if not value:
        import os
        from binascii import hexlify

        value = hexlify(os.urandom(4)).decode()
        secrets.set("store_id", value)
    return value
