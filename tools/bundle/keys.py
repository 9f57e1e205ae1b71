"""Signing keys: RSA-3072, as the device checks it (device/update/signature.py).

The private key is a PEM file that only its owner can read; it never comes near a board or the
repository. The public one is a line of text in the trust file that each release carries.
"""

import getpass
import os
import pathlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tools.bundle.form import BundleError

BITS = 3072
KIND = "rsa3072"


def generate(path: pathlib.Path, passphrase: str = "") -> rsa.RSAPrivateKey:
    """Make a key and keep it in path (mode 600). Raises BundleError if there is one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    kept = (
        serialization.BestAvailableEncryption(passphrase.encode())
        if passphrase
        else serialization.NoEncryption()
    )
    form = serialization.PrivateFormat.PKCS8
    data = key.private_bytes(serialization.Encoding.PEM, form, kept)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise BundleError(f"{path} is there already; a key is never written over.") from None
    with os.fdopen(descriptor, "wb") as f:
        f.write(data)
    return key


def load(path: pathlib.Path) -> rsa.RSAPrivateKey:
    """The private key in a PEM file; asks for its passphrase if it has one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}. `keygen {path}` makes a key.") from None
    if path.stat().st_mode & 0o077:
        raise BundleError(f"Others can read {path}: chmod 600 {path}. Who read it can sign.")
    try:
        key = serialization.load_pem_private_key(data, None)
    except TypeError:
        asked = getpass.getpass(f"Passphrase of {path}: ").encode()
        try:
            key = serialization.load_pem_private_key(data, asked)
        except ValueError:
            raise BundleError(f"That is not the passphrase of {path}.") from None
    except ValueError:
        raise BundleError(f"{path} holds no private key in PEM.") from None
    public = key.public_key()
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size != BITS:
        raise BundleError(f"{path}: boards check RSA keys of {BITS} bits only.")
    if public.public_numbers().e != 65537:
        raise BundleError(f"{path}: boards check keys with the exponent 65537 only.")
    return key


def trust_line(key: rsa.RSAPrivateKey, name: str) -> str:
    """The line that makes boards trust this key."""
    return f"{KIND} {key.public_key().public_numbers().n:0{BITS // 4}x} {name}\n"


def read_trusted(text: str) -> dict[str, rsa.RSAPublicKey]:
    """Name -> key of each line of a trust file."""
    found = {}
    for line in text.splitlines():
        words = line.split(None, 2)
        if len(words) >= 2 and words[0] == KIND:
            try:
                number = int(words[1], 16)
                key = rsa.RSAPublicNumbers(65537, number).public_key()
            except ValueError:
                raise BundleError(f"Not a key of {BITS} bits: {line[:40]}…") from None
            found[words[2] if len(words) > 2 else words[1][:16]] = key
    return found


def sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def is_signed(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> bool:
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
