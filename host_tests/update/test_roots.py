"""Trusted roots: which are shipped and how long they hold, and how a signed set replaces them."""

import datetime
import hashlib
import re
import ssl

import certifi
import pytest
import trustme
import update_bench as bench
from cryptography import x509

from device.hal import sockets
from device.update import certificate
from host_tests.conftest import ROOT
from rescue import boot_record
from rescue import roots as board_roots
from tools.bundle import form, roots

SHIPPED = sorted(roots.FOLDER.glob("*.der"))
# Starfield's root has the serial number 0, which newer rules forbid.
pytestmark = pytest.mark.filterwarnings("ignore:Parsed a serial number")
THREE_YEARS = datetime.timedelta(days=3 * 365)


def ca_der() -> bytes:
    return ssl.PEM_cert_to_DER_cert(trustme.CA().cert_pem.bytes().decode())


def folder_of(path, version, *certificates):
    path.mkdir(parents=True, exist_ok=True)
    (path / "version").write_text(version + "\n")
    for index, data in enumerate(certificates):
        (path / f"{index}.der").write_bytes(data)
    return path


@pytest.fixture
def signed_set(tmp_path, maker):
    """signed_set(version, *certificates) -> a bundle of them."""

    def make(version, *certificates, **options):
        folder = folder_of(tmp_path / ("set-" + version), version, *certificates)
        return form.sign(form.roots(roots.pack(folder), version, **options), maker.key)

    return make


# What is shipped -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_root_holds_for_three_years(path):
    found = x509.load_der_x509_certificate(path.read_bytes())
    left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    assert left > THREE_YEARS, f"{path.name} ends {found.not_valid_after_utc:%Y-%m-%d}: replace it"
    assert found.subject == found.issuer, "a root signs itself"
    found.verify_directly_issued_by(found)


def test_each_shipped_root_is_the_one_that_the_table_and_mozilla_name():
    table = dict(
        re.findall(
            r"^\| ([\w-]+\.der) \| ([0-9a-f]{64}) \|", (ROOT / "trust/README.md").read_text(), re.M
        )
    )
    shipped = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in SHIPPED}
    assert shipped == table and len(shipped) >= 9
    pem = open(certifi.where()).read()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.S)
    known = {hashlib.sha256(ssl.PEM_cert_to_DER_cert(block)).hexdigest() for block in blocks}
    assert set(shipped.values()) <= known


def test_the_board_reads_names_and_ends_as_openssl_does():
    for path in SHIPPED:
        der = path.read_bytes()
        known = x509.load_der_x509_certificate(der)
        name = known.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[-1].value
        assert certificate.read(der) == (name, int(known.not_valid_after_utc.timestamp()))


def test_the_board_reads_all_that_a_browser_trusts():
    """A hundred and more of many makers. One of them cut short or changed is refused, or read."""
    pem = open(certifi.where()).read()
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", pem, re.S)
    assert len(blocks) > 100
    for block in blocks:
        der = ssl.PEM_cert_to_DER_cert(block)
        _, ends_unix_s = certificate.read(der)
        known = x509.load_der_x509_certificate(der)
        assert ends_unix_s == int(known.not_valid_after_utc.timestamp())
    for at in range(0, len(der), 3):
        for spoilt in (der[:at], der[:at] + b"\xff" + der[at + 1 :]):
            try:
                certificate.read(spoilt)
            except (ValueError, UnicodeError):
                pass


def test_a_board_can_load_what_is_shipped(tmp_path):
    (tmp_path / "trust").mkdir()
    (tmp_path / "trust" / "roots").write_bytes(roots.pack())
    folder = str(tmp_path) + "/"
    found = list(board_roots.certificates(folder))
    assert found == [path.read_bytes() for path in SHIPPED]
    context = sockets.tls_context(board_roots.certificates(folder))
    assert len(context.get_ca_certs()) == len(SHIPPED)


# The set in force ------------------------------------------------------------------------------


def test_the_newer_set_is_in_force_wherever_it_lies(tmp_path):
    one, two, three = ca_der(), ca_der(), ca_der()
    flash = tmp_path / "flash"
    (flash / "a" / "trust").mkdir(parents=True)
    (flash / "b" / "trust").mkdir(parents=True)
    folder = str(flash) + "/"
    boot_record.write("a", boot_record.NONE, 0, folder)
    assert list(board_roots.certificates(folder)) == []
    pack = lambda version, der: roots.pack(folder_of(tmp_path / version, version, der))  # noqa: E731
    (flash / "a" / "trust" / "roots").write_bytes(pack("2026.1.1", one))
    assert list(board_roots.certificates(folder)) == [one]
    (flash / "b" / "trust" / "roots").write_bytes(pack("2030.1.1", two))
    assert list(board_roots.certificates(folder)) == [one], "b does not run"
    (flash / "roots").write_bytes(pack("2027.1.1", three))
    assert list(board_roots.certificates(folder)) == [three]
    boot_record.write("a", "b", 0, folder)
    assert list(board_roots.certificates(folder)) == [two], "a release with newer ones wins"
    damaged = bytearray(pack("2031.1.1", three))
    damaged[-1] ^= 1
    (flash / "roots").write_bytes(damaged)
    assert list(board_roots.certificates(folder)) == [two]


def test_a_file_that_is_no_set_is_none(tmp_path):
    path = tmp_path / "roots"
    good = roots.pack()
    for data in (
        b"",
        b"roots1",
        b"\xff" * 99,
        good[:-1],
        good + b"x",
        good[:100],
        b"roots2" + good[6:],
    ):
        path.write_bytes(data)
        assert board_roots.check(str(path)) == 0
    path.write_bytes(good)
    assert board_roots.check(str(path)) == 202600110026
    assert board_roots.check(str(tmp_path)) == 0


def test_a_signed_set_replaces_the_roots_alone(flash, signed_set):
    one, two = ca_der(), ca_der()
    before = bench.below(flash.path)
    flash.install(signed_set("2026.12.1", one, two), arch="anything")
    assert list(board_roots.certificates(flash.folder)) == [one, two]
    assert {n: d for n, d in bench.below(flash.path).items() if n != "roots"} == before
    assert flash.refusal(signed_set("2026.12.1", one)) == "installed"
    assert flash.refusal(signed_set("2026.11.30", one)) == "too_old"
    assert flash.refusal(signed_set("2026.11.29", two, downgrade=True)) is None
    assert list(board_roots.certificates(flash.folder)) == [two]


def test_a_set_that_is_not_what_it_says_changes_nothing(flash, maker, signed_set, tmp_path):
    flash.install(signed_set("2026.12.1", ca_der()))
    before = bench.below(flash.path)
    packed = roots.pack(folder_of(tmp_path / "other", "2027.1.1", ca_der()))
    other_version = form.sign(form.roots(packed, "2027.2.1"), maker.key)
    assert flash.refusal(other_version) == "bad_bundle"
    rubbish = form.sign(form.roots(b"no certificates", "2027.2.1"), maker.key)
    assert flash.refusal(rubbish) == "bad_bundle"
    flipped = bytearray(signed_set("2027.3.1", ca_der()))
    flipped[-1] ^= 1
    assert flash.refusal(bytes(flipped)) == "bad_hash"
    assert bench.below(flash.path) == before


def test_what_no_board_could_use_is_not_packed(tmp_path):
    pem = trustme.CA().cert_pem.bytes()
    for certificates, why in (
        ([], "No certificate"),
        ([pem], "openssl x509"),
        ([ca_der() + b"x"], "openssl x509"),
        ([ca_der()] * 60, "a board takes"),
    ):
        with pytest.raises(roots.BundleError, match=why):
            roots.pack(folder_of(tmp_path / why.split()[0], "1.2.3", *certificates))
    with pytest.raises(roots.BundleError, match="orders the sets"):
        roots.pack(folder_of(tmp_path / "version", "today", ca_der()))
