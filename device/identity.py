"""What tells this device, its store and its boot from others."""

import os
import random


def store_id(secrets, random_bits):
    """Eight hex digits that tell this store of clips from an earlier one of the same board."""
    value = secrets.get("store_id")
    if not value:
        value = "%08x" % random_bits(32)
        secrets.set("store_id", value)
    return value


def seeded_bits(device_id, boot):
    """random_bits(n) of a generator that differs from board to board and from boot to boot."""
    seed = boot
    for code in device_id.encode():
        seed = (seed * 33 + code) & 0x3FFFFFFF
    try:
        seed ^= int.from_bytes(os.urandom(4), "big") & 0x3FFFFFFF
    except (ImportError, AttributeError, NotImplementedError):
        pass
    random.seed(seed)
    return random.getrandbits
