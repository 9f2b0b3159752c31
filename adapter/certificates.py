"""The adapter's own certificate authority: what is issued, when it is renewed, and what readers must trust meanwhile.

The API server verifies us against the ``caBundle`` of our APIServices, so a CA of our own needs nothing else in the cluster. Keys
are ECDSA P-256: the aggregation layer opens connections all the time, and an RSA handshake costs ten times as much. Time is an
argument everywhere, in Unix seconds. Who keeps the results, and where, is `adapter.kube.servingca`'s.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=5 * 365)
SERVING_LIFE = timedelta(days=90)
RENEW_AT_RATIO = 2 / 3  # of a certificate's life: a month is left for whatever keeps a renewal from succeeding
JITTER_RATIO = 0.05  # of a certificate's life, by which replicas differ, so that one of them renews for all

_SKEW = timedelta(minutes=5)  # a fresh certificate must not lie in the future of an API server whose clock is behind ours


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, PEM."""

    cert_pem: bytes
    key_pem: bytes = field(repr=False)


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the DNS names of a Service; the first is the one that the API server's aggregation layer verifies."""
    name = f"{service}.{namespace}.svc"
    return (name, f"{name}.cluster.local", f"{service}.{namespace}", service)


def create_authority(name: str, *, now: float) -> Pair:
    """Return a new self-signed CA of common name *name*, good for five years from *now*."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, names: Sequence[str], *, now: float) -> Pair:
    """Return a new serving certificate for the DNS *names*, signed by *authority* and good for 90 days from *now*."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem)
    signer = _signing_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])  # 64: X.520's upper bound for common names
    builder = (
        _builder(subject, issuer.subject, key.public_key(), now, SERVING_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def renew_at(cert_pem: bytes, replica: str) -> float:
    """Return when *replica* is to renew the first certificate in *cert_pem*: after two thirds of its life, and a little.

    The little is up to 5 % of that life and follows from the replica's name.
    """
    start, end = validity(cert_pem)
    share = int.from_bytes(hashlib.sha256(replica.encode()).digest()[:4], "big") / 2**32
    return start + (end - start) * (RENEW_AT_RATIO + JITTER_RATIO * share)


def validity(cert_pem: bytes) -> tuple[float, float]:
    """Return the first and the last second at which the first certificate in *cert_pem* is good."""
    certificate = x509.load_pem_x509_certificate(cert_pem)
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def bundle(*pems: bytes, now: float) -> bytes:
    """Return the certificates of all *pems* in their order, each once and without those that have expired at *now*."""
    at = datetime.fromtimestamp(now, UTC)
    found = dict.fromkeys(certificate for pem in pems for certificate in _load(pem) if certificate.not_valid_after_utc >= at)
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in found)


def split(bundle_pem: bytes) -> list[bytes]:
    """Return the certificates in *bundle_pem*, each for itself, in their order. Raises `ValueError` if it is not PEM."""
    return [certificate.public_bytes(serialization.Encoding.PEM) for certificate in _load(bundle_pem)]


def trusts(bundle_pem: bytes, cert_pem: bytes) -> bool:
    """Return whether one of the CAs in *bundle_pem* signed the first certificate in *cert_pem*."""
    certificate = x509.load_pem_x509_certificate(cert_pem)
    return any(_signed(certificate, authority) for authority in _load(bundle_pem))


def covers(cert_pem: bytes, names: Iterable[str]) -> bool:
    """Return whether the first certificate in *cert_pem* is good for all *names*."""
    try:
        extension = x509.load_pem_x509_certificate(cert_pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return False
    return set(names) <= set(extension.value.get_values_for_type(x509.DNSName))


def check(pair: Pair) -> None:
    """Raise `ValueError` unless the key of *pair* belongs to its first certificate."""
    certificate = x509.load_pem_x509_certificate(pair.cert_pem)
    if certificate.public_key() != _signing_key(pair).public_key():
        raise ValueError("the private key does not belong to the certificate")


def _load(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem) if pem.strip() else []


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _signing_key(pair: Pair) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pair.key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("the private key is not an elliptic-curve key")  # noqa: TRY004 - a value that was read, not a bug
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: float, life: timedelta
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(start + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
