"""Signatures: the device agrees with OpenSSL on what is good, and takes nothing beside it."""

import hashlib
import json
import pathlib
import random
import subprocess

import pytest

from device.update import signature
from host_tests.conftest import ROOT
from tools.bundle import keys
from tools.bundle.form import BundleError
from tools.sim.board import find_micropython

DATA = b"what is signed"
DIGEST = hashlib.sha256(DATA).digest()


def modulus_of(key) -> bytes:
    return key.public_key().public_numbers().n.to_bytes(384, "big")


def raw(key, encoded: bytes) -> bytes:
    """encoded to the private power: what an owner of the key could make of any encoding."""
    numbers = key.private_numbers()
    n = numbers.public_numbers.n
    return pow(int.from_bytes(encoded, "big"), numbers.d, n).to_bytes(384, "big")


def encoding(fill=b"\xff" * 330, middle=b"\x00", prefix=None, digest=DIGEST, begin=b"\x00\x01"):
    prefix = signature._PREFIX if prefix is None else prefix
    return begin + fill + middle + prefix + digest


def test_what_openssl_signs_is_taken(maker):
    assert signature.is_signed(DIGEST, keys.sign(maker.key, DATA), modulus_of(maker.key))
    assert keys.sign(maker.key, DATA) == raw(maker.key, encoding())


def test_nothing_but_the_one_encoding_is_taken(maker):
    """Each of these is what a lenient check has taken somewhere (short padding, parameters left
    out, bytes behind the hash, SHA-1, a type 2 block).
    """
    sha1 = bytes.fromhex("3021300906052b0e03021a05000414") + hashlib.sha1(DATA).digest()
    bare = bytes.fromhex("302f300b0609608648016503040201" + "0420")
    others = {
        "short padding, rubbish behind": encoding(b"\xff" * 8) + bytes(322),
        "padding with a hole": encoding(b"\xff" * 100 + b"\xfe" + b"\xff" * 229),
        "type 2": encoding(begin=b"\x00\x02"),
        "no zero": encoding(middle=b"\x01"),
        "without NULL": encoding(b"\xff" * 332, prefix=bare),
        "SHA-1": b"\x00\x01" + b"\xff" * (381 - len(sha1)) + b"\x00" + sha1,
        "another hash": encoding(digest=hashlib.sha256(b"").digest()),
    }
    for name, encoded in others.items():
        assert len(encoded) == 384, name
        forged = raw(maker.key, encoded)
        assert not signature.is_signed(DIGEST, forged, modulus_of(maker.key)), name


def test_numbers_that_are_no_signature(maker):
    modulus = modulus_of(maker.key)
    good = keys.sign(maker.key, DATA)
    n = int.from_bytes(modulus, "big")
    beyond = int.from_bytes(good, "big") + n
    for wrong in (bytes(384), bytes(383) + b"\x01", modulus, good[:-1], b"\x00" + good, b""):
        assert not signature.is_signed(DIGEST, wrong, modulus)
    if beyond < 1 << 3072:  # the same value modulo n
        assert not signature.is_signed(DIGEST, beyond.to_bytes(384, "big"), modulus)
    assert not signature.is_signed(DIGEST, good, modulus_of(maker.other_key))
    assert not signature.is_signed(DIGEST[:-1], good, modulus)


def test_a_trust_file_is_read_line_by_line(tmp_path, maker):
    path = tmp_path / "keys"
    line = keys.trust_line(maker.key, "maker").encode()
    spoilt = (b"rsa3072 zz x\n", b"rsa3072 abcd short\n", b"rsa2048 " + line[8:], b"# rsa3072\n")
    even = b"rsa3072 " + modulus_of(maker.key)[:-1].hex().encode() + b"00 even\n"
    path.write_bytes(b"".join(spoilt) + even + line + line.rstrip())
    assert signature.read_keys(str(path)) == [modulus_of(maker.key)] * 2
    path.write_bytes(line * 9)
    assert len(signature.read_keys(str(path))) == 4
    path.write_bytes(b"\xff\x00" * 5000)
    assert signature.read_keys(str(path)) == []
    assert signature.read_keys(str(tmp_path / "none")) == []


def test_a_private_key_is_for_its_owner_alone(tmp_path):
    path = tmp_path / "key.pem"
    keys.generate(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(BundleError, match="never written over"):
        keys.generate(path)
    path.chmod(0o640)
    with pytest.raises(BundleError, match="chmod 600"):
        keys.load(path)
    with pytest.raises(BundleError, match="keygen"):
        keys.load(tmp_path / "none.pem")


ON_MICROPYTHON = """
import json, sys
sys.path.insert(0, sys.argv[1])
from binascii import unhexlify
from time import ticks_us, ticks_diff
import gc
from device.update.signature import is_signed
found = []
for line in sys.stdin:
    digest, signature, modulus = [unhexlify(word) for word in line.split()]
    gc.collect()
    before, began = gc.mem_free(), ticks_us()
    gc.disable()
    found.append([is_signed(digest, signature, modulus), ticks_diff(ticks_us(), began),
                  before - gc.mem_free()])
    gc.enable()
print(json.dumps(found))
"""


@pytest.mark.skipif(find_micropython() is None, reason="no MicroPython unix port")
def test_micropython_agrees_and_what_it_costs(tmp_path, maker, capsys):
    """Good ones, and each with one seeded bit flipped."""
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    rows, wanted = [], []
    for i in range(8):
        data = bytes([i])
        digest = hashlib.sha256(data).digest()
        good = keys.sign(maker.key, data)
        at = chance.randrange(3072)
        bad = bytearray(good)
        bad[at // 8] ^= 1 << at % 8
        for given in (good, bad):
            rows.append(f"{digest.hex()} {given.hex()} {modulus_of(maker.key).hex()}")
            wanted.append(given is good)
    script = tmp_path / "script.py"
    script.write_text(ON_MICROPYTHON)
    done = subprocess.run(
        [find_micropython(), "-X", "heapsize=256K", str(script), str(ROOT)],
        input="\n".join(rows) + "\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert [bool(row[0]) for row in found] == wanted, f"seed {seed}"
    took_us, used_bytes = (sorted(row[i] for row in found)[len(found) // 2] for i in (1, 2))
    with capsys.disabled():
        print(f"\nRSA-3072 on the unix port: {took_us} us, {used_bytes} bytes of heap before a GC")
    assert used_bytes < 64 * 1024


def test_the_private_key_of_nobody_is_in_the_tree():
    found = [
        path
        for path in pathlib.Path(ROOT).glob("*/**/*.p[ek][my]")
        if ".venv" not in path.parts and b"PRIVATE KEY" in path.read_bytes()
    ]
    assert found == []
