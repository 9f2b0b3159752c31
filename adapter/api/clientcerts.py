"""What a client's certificate is good for: speaking for others as the front proxy, speaking for its own subject, or nothing.

TLS has verified the chain and its purposes against one trust store in which the front proxy's CAs and the cluster's client CAs lie
side by side. Which of the two issued a certificate is decided here, from the signature: membership in the trust store alone would
let every user of the cluster pass for the front proxy. Dates are checked here as well, so that an expired certificate gets an
answer in words. Only certificates that a CA of the bundles issued directly count.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from adapter.kube.authconfig import AuthConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What one certificate may do until *until* (Unix seconds): after that, or under another `Trust`, it is judged again."""

    front_proxy: bool = False
    user: str = ""  # its common name, if the cluster's own client CA issued it
    groups: tuple[str, ...] = ()  # its organisations
    refusal: str = ""  # why it may do nothing; empty if it may, and if there is none
    until: float = math.inf


class Trust:
    """The CAs and names that the cluster's authentication ConfigMap speaks of, ready for comparison.

    `problems` says in words why some or all callers cannot be known by them. Raises `ValueError` for bundles that are not PEM.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._proxies = _authorities(config.requestheader_ca_pem)
        self._clients = _authorities(config.client_ca_pem)
        self._names = frozenset(config.allowed_names)
        self._ambiguous = not self._names and not _keys(self._proxies).isdisjoint(_keys(self._clients))
        ambiguity = (
            "the front proxy's CA also issues users' certificates and requestheader-allowed-names is empty, so any user could pass"
            " for the front proxy: identities from it are refused; set the API server's --requestheader-allowed-names"
        )
        self.problems = tuple(problem for problem in (config.problem, ambiguity if self._ambiguous else "") if problem)

    def judge(self, certificate_der: bytes, *, now: float) -> Standing:
        """Return what the certificate may do at *now* (Unix seconds)."""
        try:
            return self._judge(x509.load_der_x509_certificate(certificate_der), now)
        except ValueError as exc:
            return Standing(refusal=f"client certificate cannot be read: {exc}")

    def _judge(self, certificate: x509.Certificate, now: float) -> Standing:
        name = _common_name(certificate)
        at = datetime.fromtimestamp(now, UTC)
        if at < certificate.not_valid_before_utc:
            return Standing(
                refusal=f"client certificate {name!r} is not valid before {_day(certificate.not_valid_before_utc)}",
                until=certificate.not_valid_before_utc.timestamp(),
            )
        if at > certificate.not_valid_after_utc:
            return Standing(refusal=f"client certificate {name!r} expired at {_day(certificate.not_valid_after_utc)}")
        if not _for_clients(certificate):
            return Standing(refusal=f"client certificate {name!r} is not for client authentication")

        proxy = _issuer(certificate, self._proxies, at)
        client = _issuer(certificate, self._clients, at)
        chain = [certificate, *(issuer for issuer in (proxy, client) if issuer is not None)]
        front_proxy = proxy is not None and not self._ambiguous and (not self._names or name in self._names)
        user = name if client is not None else ""
        return Standing(
            front_proxy=front_proxy,
            user=user,
            groups=_organisations(certificate) if user else (),
            refusal="" if front_proxy or user else self._refusal(name, proxy, client),
            until=min(each.not_valid_after_utc for each in chain).timestamp(),
        )

    def _refusal(self, name: str, proxy: x509.Certificate | None, client: x509.Certificate | None) -> str:
        if proxy is None:
            return (
                f"client certificate {name!r} is signed by a CA that the cluster does not name"
                if client is None
                else "client certificate has no common name, so it is no user's"
            )
        if self._ambiguous:
            return f"client certificate {name!r} could be a user's as well as the front proxy's"
        return f"client certificate {name!r} is not one that requestheader-allowed-names admits as the front proxy"


def _authorities(pem: str | None) -> frozenset[x509.Certificate]:
    return frozenset(x509.load_pem_x509_certificates(pem.encode())) if pem else frozenset()


def _keys(authorities: Iterable[x509.Certificate]) -> set[bytes]:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return {each.public_key().public_bytes(serialization.Encoding.DER, form) for each in authorities}


def _issuer(certificate: x509.Certificate, authorities: Iterable[x509.Certificate], at: datetime) -> x509.Certificate | None:
    """Return the valid authority that signed *certificate*; of two with one key, the one that lives longer."""
    found = [
        authority
        for authority in authorities
        if authority.not_valid_before_utc <= at <= authority.not_valid_after_utc and _signed(certificate, authority)
    ]
    return max(found, key=lambda authority: authority.not_valid_after_utc, default=None)


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _for_clients(certificate: x509.Certificate) -> bool:
    """Return whether its extended key usage admits clients; without that extension any usage is meant (RFC 5280, 4.2.1.12)."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages


def _common_name(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""


def _organisations(certificate: x509.Certificate) -> tuple[str, ...]:
    return tuple(str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
