"""RSA-3072 signatures, PKCS#1 v1.5 with SHA-256 (RFC 8017, 8.2.2), checked with Python's numbers.

The public exponent is 65537: 17 multiplications modulo n, which three-argument pow does. What
comes out is compared, whole, with the one encoding that is allowed: nothing of it is parsed, so
there is no padding to be clever with.

Keys are lines of text, "rsa3072 <modulus, 768 hex digits> <name>", in the program's trust/keys.
"""

from binascii import unhexlify

from device.compat import const

SIGNATURE_BYTES = const(384)
_EXPONENT = const(65537)
_MOST_KEYS = const(4)
_LINE_BYTES = const(900)
_KIND = b"rsa3072"
# DigestInfo of SHA-256 (RFC 8017, 9.2, note 1).
_PREFIX = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"


def read_keys(path):
    """The public keys of a trust file, as bytes of their moduli. A missing file holds none."""
    keys = []
    try:
        with open(path, "rb") as f:
            while len(keys) < _MOST_KEYS:
                line = f.readline(_LINE_BYTES)
                if not line:
                    break
                words = line.split()
                if len(words) < 2 or words[0] != _KIND:
                    continue
                try:
                    modulus = unhexlify(words[1])
                except ValueError:
                    continue
                if is_modulus(modulus):
                    keys.append(modulus)
    except OSError:
        pass
    return keys


def is_modulus(modulus):
    """True for 3072 bits, all used, and odd."""
    return len(modulus) == SIGNATURE_BYTES and modulus[0] & 0x80 and modulus[-1] & 1


def is_signed(digest, signature, modulus):
    """True if signature is that of the SHA-256 digest by the key with this modulus.

    Allocates some kilobytes for numbers of 6144 bits.
    """
    if len(signature) != SIGNATURE_BYTES or len(digest) != 32:
        return False
    n = int.from_bytes(modulus, "big")
    s = int.from_bytes(signature, "big")
    if s >= n:
        return False
    filled = b"\xff" * (SIGNATURE_BYTES - 3 - len(_PREFIX) - len(digest))
    wanted = b"\x00\x01" + filled + b"\x00" + _PREFIX + digest
    return pow(s, _EXPONENT, n) == int.from_bytes(wanted, "big")
