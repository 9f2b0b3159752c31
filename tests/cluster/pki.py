"""Certificate authorities for tests: real certificates, and every wrong one that a security test needs.

ECDSA P-256 throughout. Keys live in memory until they are written; nothing here is meant to outlive a test run.
"""

import datetime as dt
import ipaddress
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a certificate and its key were written, both PEM."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A certificate and its private key, both PEM."""

    cert_pem: bytes
    key_pem: bytes

    def write(self, folder: Path, name: str) -> Files:
        """Write ``NAME.crt`` and ``NAME.key`` into *folder*; each file is replaced in one step, so a reader sees no half."""
        files = Files(cert=folder / f"{name}.crt", key=folder / f"{name}.key")
        replace(files.key, self.key_pem)
        replace(files.cert, self.cert_pem)
        return files


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority that signs whatever it is asked to."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, common_name: str) -> "Authority":
        """Return a new self-signed authority, valid for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(common_name, ())
        now = _now()
        certificate = (
            _builder(name, key.public_key(), issuer=name, not_before=now - _DAY, not_after=now + _DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate=certificate, key=key)

    @property
    def pem(self) -> bytes:
        """Return the authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def identity(self) -> Identity:
        """Return the authority's own certificate and key."""
        return Identity(cert_pem=self.pem, key_pem=_key_pem(self.key))

    def issue(
        self,
        common_name: str,
        *,
        organisations: Iterable[str] = (),
        sans: Iterable[str] = (),
        client: bool = False,
        server: bool = False,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
    ) -> Identity:
        """Return a new key and its certificate.

        *organisations* become the user's groups in Kubernetes. *sans* are host names and IP addresses. *client* and *server*
        choose the extended key usage; with neither the certificate has none. It is valid from a day ago (or a day before
        *not_after*, if that is earlier) to a day from now, so a *not_after* in the past makes an expired one.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now()
        end = not_after or now + _DAY
        start = not_before or min(now, end) - _DAY
        subject = _name(common_name, organisations)
        builder = (
            _builder(subject, key.public_key(), issuer=self.certificate.subject, not_before=start, not_after=end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH] * client + [ExtendedKeyUsageOID.SERVER_AUTH] * server
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        names = [_general_name(san) for san in sans]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return Identity(cert_pem=certificate.public_bytes(serialization.Encoding.PEM), key_pem=_key_pem(key))


def signing_key(folder: Path, name: str) -> Files:
    """Write a key pair without a certificate (service-account tokens are signed with one); ``cert`` is the public key."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    files = Files(cert=folder / f"{name}.pub", key=folder / f"{name}.key")
    replace(files.key, _key_pem(key))
    replace(files.cert, public)
    return files


def replace(path: Path, content: bytes) -> None:
    """Write *path* for its owner only, in one step."""
    draft = path.with_name(f"{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)


def _builder(
    subject: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    issuer: x509.Name,
    not_before: dt.datetime,
    not_after: dt.datetime,
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        issuer_name=issuer,
        subject_name=subject,
        public_key=public_key,
        serial_number=x509.random_serial_number(),
        not_valid_before=not_before,
        not_valid_after=not_after,
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str, organisations: Iterable[str]) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation) for organisation in organisations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _general_name(san: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(san))
    except ValueError:
        return x509.DNSName(san)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _now() -> dt.datetime:
    return dt.datetime.fromtimestamp(time.time(), dt.UTC)
