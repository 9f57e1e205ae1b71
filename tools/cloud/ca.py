"""The certificate authority of a simulation, and the certificates a TLS front can present.

Every certificate has real dates. (trustme's own default starts in the year 2000: a recorder whose
clock was never set would accept it, and the fault that matters most could not be seen.)
"""

import datetime
import os
import pathlib
import ssl

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tools.cloud.errors import CloudError

CASES = ("good", "wrong_host", "expired", "not_yet_valid", "other_ca", "self_signed")

_DAY = datetime.timedelta(days=1)
_ELSEWHERE = "somebody-else.test"  # the name in a wrong_host certificate


class Authority:
    """One root, kept in `folder` so that recorders go on trusting a cloud that was restarted."""

    def __init__(self, folder: pathlib.Path):
        key_path, cert_path = folder / "ca.key", folder / "ca.pem"
        if key_path.exists() and cert_path.exists():
            self._ca = trustme.CA.from_pem(cert_path.read_bytes(), key_path.read_bytes())
        else:
            self._ca = trustme.CA(organization_name="Simulated recorder cloud")
            _write_private(key_path, self._ca.private_key_pem.bytes())
            cert_path.write_bytes(self._ca.cert_pem.bytes())
        self._other = trustme.CA(organization_name="An authority nobody trusts")

    @property
    def pem(self) -> bytes:
        return self._ca.cert_pem.bytes()

    @property
    def der(self) -> bytes:
        return ssl.PEM_cert_to_DER_cert(self.pem.decode("ascii"))

    def server_context(self, host: str, case: str = "good") -> ssl.SSLContext:
        """A TLS context whose certificate for `host` is right, or wrong in one way of CASES."""
        now = datetime.datetime.now(datetime.UTC)
        begin, end = now - _DAY, now + 365 * _DAY
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if case == "self_signed":
            _load_pem(context, _self_signed_pem(host, begin, end))
            return context
        ca, name = self._ca, host
        if case == "wrong_host":
            name = _ELSEWHERE
        elif case == "expired":
            begin, end = now - 30 * _DAY, now - _DAY
        elif case == "not_yet_valid":
            begin, end = now + 30 * _DAY, now + 365 * _DAY
        elif case == "other_ca":
            ca = self._other
        elif case != "good":
            raise CloudError(f"There is no certificate called {case!r}: use one of {CASES}.")
        ca.issue_cert(name, not_before=begin, not_after=end).configure_cert(context)
        return context


def _self_signed_pem(host: str, begin: datetime.datetime, end: datetime.datetime) -> bytes:
    """Key and certificate that vouch for nobody but themselves, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key_pem + cert.public_bytes(serialization.Encoding.PEM)


def _load_pem(context: ssl.SSLContext, pem: bytes) -> None:
    with trustme.Blob(pem).tempfile() as path:  # ssl reads keys from files only
        context.load_cert_chain(path)


def _write_private(path: pathlib.Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
