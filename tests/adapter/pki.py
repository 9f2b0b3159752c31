"""Certificate authorities for tests: any subject, purpose and dates, and the client's side of TLS for them."""

import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapter.certificates import Pair

CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
NOW = 1_800_000_000.0  # for tests that bring their own time


@dataclass
class Authority:
    """A CA that is valid from ten days before *now* until *days* after it."""

    name: str
    now: float = NOW
    days: float = 365
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        subject = _name(self.name, ())
        builder = _dated(self.now, -10, self.days).subject_name(subject).issuer_name(subject).public_key(self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        name: str,
        organisations: Sequence[str] = (),
        *,
        usage: x509.ObjectIdentifier | None = CLIENT,
        dns: Sequence[str] = (),
        days: tuple[float, float] = (-1, 30),
    ) -> Pair:
        """Return a certificate that is valid from days[0] to days[1], counted from now; *usage* None leaves the extension out."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _dated(self.now, *days).subject_name(_name(name, organisations)).issuer_name(self.certificate.subject)
        builder = builder.public_key(key.public_key())
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if dns:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in dns]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Pair(
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        )


def der(pair: Pair) -> bytes:
    """Return the certificate as TLS hands it over."""
    return x509.load_pem_x509_certificate(pair.cert_pem).public_bytes(serialization.Encoding.DER)


def client_context(trusted_pem: str, pair: Pair | None = None) -> ssl.SSLContext:
    """Return a client that trusts *trusted_pem* and presents *pair*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=trusted_pem)
    if pair is not None:
        descriptor = os.memfd_create("client")
        try:
            os.write(descriptor, pair.cert_pem + pair.key_pem)
            context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)
    return context


def _name(name: str, organisations: Sequence[str]) -> x509.Name:
    organisation = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organisations]
    common = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else []
    return x509.Name([*organisation, *common])


def _dated(now: float, start_days: float, end_days: float) -> x509.CertificateBuilder:
    at = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(at + timedelta(days=start_days))
        .not_valid_after(at + timedelta(days=end_days))
    )
