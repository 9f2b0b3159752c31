"""Who a request comes from: a client certificate's name and organisations, or a service account's token, or nobody."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoscaler.sandbox import faults, rbac
from autoscaler.sandbox.objects import uid_of
from autoscaler.sandbox.store import Store

AUDIENCE = "https://kubernetes.default.svc.cluster.local"  # whom a token is for when nobody says


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What a token stands for, until when (Unix seconds; None: for good)."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    expires_at: float | None


class Tokens:
    """The tokens that this cluster has given out; they are opaque, and die with their service account."""

    def __init__(self, store: Store, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._given: dict[str, Token] = {}

    def give(
        self, namespace: str, name: str, *, lifetime_s: float | None = None, audiences: Sequence[str] = ()
    ) -> tuple[str, Token] | None:
        """Return a new token of an existing service account, or None when there is none."""
        account = self._store.get("serviceaccounts", namespace, name)
        if account is None:
            return None
        token = Token(
            namespace=namespace,
            name=name,
            uid=uid_of(account),
            audiences=tuple(audiences) or (AUDIENCE,),
            expires_at=None if lifetime_s is None else self._clock() + lifetime_s,
        )
        text = f"sandbox.{secrets.token_urlsafe(32)}"
        self._given[text] = token
        return text, token

    def review(self, text: str, audiences: Sequence[str] = ()) -> tuple[rbac.User, list[str]] | None:
        """Return whose token *text* is and for which of *audiences* (none: the API server's own), or None when nobody's."""
        token = self._given.get(text)
        if token is None or (token.expires_at is not None and token.expires_at <= self._clock()):
            return None
        account = self._store.get("serviceaccounts", token.namespace, token.name)
        shared = [audience for audience in (audiences or (AUDIENCE,)) if audience in token.audiences]
        if account is None or uid_of(account) != token.uid or not shared:
            return None
        user = rbac.User(
            name=rbac.service_account(token.namespace, token.name),
            groups=rbac.service_account_groups(token.namespace),
            uid=token.uid,
        )
        return user, shared


def authenticate(tokens: Tokens, authorization: str | None, peer: Mapping[str, Any] | None) -> rbac.User:
    """Return who sent a request with that Authorization header over a connection with that peer certificate.

    The TLS layer has verified the certificate. A token that is not ours is an error even when the certificate is good.
    """
    if peer:
        user = _certificate_user(peer)
        if user is not None:
            return user
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() == "bearer" and text.strip():
        found = tokens.review(text.strip())
        if found is None:
            raise faults.unauthorized()
        return found[0]
    return rbac.ANONYMOUS


def _certificate_user(peer: Mapping[str, Any]) -> rbac.User | None:
    attributes = [pair for part in peer.get("subject", ()) for pair in part]
    name = next((value for key, value in attributes if key == "commonName"), "")
    if not name:
        return None
    groups = tuple(value for key, value in attributes if key == "organizationName")
    return rbac.User(name=name, groups=(*groups, rbac.AUTHENTICATED))
