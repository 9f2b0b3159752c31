"""The sandbox's certificate authorities, and the kubeconfigs that carry what they issue.

A cluster has two that must never be mixed: one for its clients and its own name, and one for the front proxy alone.
"""

import base64
import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFETIME = dt.timedelta(days=30)  # longer than any sandbox lives
_BACKDATED = dt.timedelta(minutes=5)  # clocks differ


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM."""

    certificate: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom a certificate is for: a common name (the user), organisations (the groups), and names a server answers to."""

    name: str
    organisations: Sequence[str] = ()
    hosts: Sequence[str] = ()


class Authority:
    """A certificate authority that lives as long as the process."""

    def __init__(self, name: str, *, now: float) -> None:
        self._now = dt.datetime.fromtimestamp(now, dt.UTC)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _x509_name(Subject(name=name))
        identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        builder = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs=True), critical=True)
            .add_extension(identifier, critical=False)
        )
        self.certificate = _pem(builder.sign(self._key, hashes.SHA256()))

    def client(self, subject: Subject) -> Pair:
        """Return a certificate that proves who its holder is."""
        return self._issue(subject, ExtendedKeyUsageOID.CLIENT_AUTH)

    def server(self, subject: Subject) -> Pair:
        """Return a certificate for a server that answers to *subject*'s hosts."""
        return self._issue(subject, ExtendedKeyUsageOID.SERVER_AUTH)

    def _issue(self, subject: Subject, purpose: x509.ObjectIdentifier) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            self._builder(_x509_name(subject), key)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(issuer, critical=False)
        )
        if subject.hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in subject.hosts])
            builder = builder.add_extension(names, critical=False)
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Pair(_pem(builder.sign(self._key, hashes.SHA256())), private.decode())

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _BACKDATED)
            .not_valid_after(self._now + _LIFETIME)
        )


def server_context(pair: Pair, client_ca: str) -> ssl.SSLContext:
    """Return the context of a server that asks for client certificates of *client_ca* and also serves who has none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=client_ca)
    context.set_alpn_protocols(["http/1.1"])
    _load(context, pair)
    return context


def client_context(server_ca: str, pair: Pair | None = None) -> ssl.SSLContext:
    """Return the context of a client that trusts *server_ca* only and shows *pair* when asked."""
    context = ssl.create_default_context(cadata=server_ca)
    if pair is not None:
        _load(context, pair)
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    # The ssl module reads private keys from files only: this one lives for the duration of the call, readable by its owner.
    with tempfile.TemporaryDirectory(prefix="leadtime-") as folder:
        path = Path(folder) / "pair.pem"
        path.touch(mode=0o600)
        path.write_text(pair.certificate + pair.key)
        context.load_cert_chain(path)


def kubeconfig(server: str, server_ca: str, *, pair: Pair | None = None, token: str = "", namespace: str = "") -> str:
    """Return a kubeconfig, with everything embedded, for the holder of a certificate or of a token."""
    user: dict[str, str] = {"token": token} if token else {}
    if pair is not None:
        user["client-certificate-data"] = _base64(pair.certificate)
        user["client-key-data"] = _base64(pair.key)
    context = {"cluster": "sandbox", "user": "user"}
    if namespace:
        context["namespace"] = namespace
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "clusters": [{"name": "sandbox", "cluster": {"server": server, "certificate-authority-data": _base64(server_ca)}}],
        "users": [{"name": "user", "user": user}],
        "contexts": [{"name": "sandbox", "context": context}],
    }
    return yaml.safe_dump(document, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _x509_name(subject: Subject) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in subject.organisations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, subject.name)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
