"""Who is asking.

A request speaks for whom the front proxy (the API server's aggregation layer) says it does, if the connection's certificate is the
front proxy's; otherwise for that certificate's own subject, if the cluster's client CA issued it; otherwise for the owner of its
bearer token. The order is the one every Go API server follows. The answer is a value: an `Identity`, or `Refused` with the reason.
What an identity may do is `authz`'s question.
"""

import hashlib
import math
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote
from weakref import WeakKeyDictionary

from adapter.access import Identity
from adapter.api import answers, clientcerts
from adapter.kube.authconfig import AuthConfig

AUTHENTICATED = "system:authenticated"
UNAUTHENTICATED = "system:unauthenticated"

_REMEMBERED = 4096  # identities, and spellings of header names; then the memory starts afresh


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody we know, and why; 503 instead of 401 when the API server could not be asked."""

    message: str
    status: int = HTTPStatus.UNAUTHORIZED


ANONYMOUS = Identity("system:anonymous", groups=(UNAUTHENTICATED,))


class Headers(Protocol):
    """A request's headers, as aiohttp keeps them: keys without regard to case, values repeated."""

    def get(self, key: str, /) -> str | None:
        """Return the first value of *key*."""

    def getall(self, key: str, default: tuple[()], /) -> Sequence[str]:
        """Return every value of *key*."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return every header."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """What is known of one connection's certificate, as long as *trust* and the time stay on this side of it."""

    trust: clientcerts.Trust | None
    until: float
    front_proxy: bool = False
    identity: Identity | None = None
    refusal: str = ""


class _FrontProxy:
    """Reads the identity that the front proxy puts into headers, under the names that *config* gives them.

    Callers are few and ask again and again, so an identity once read is found again by the headers that made it.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._prefixes = tuple(prefix.lower() for prefix in config.extra_header_prefixes)
        self._names = frozenset(name.lower() for name in (*config.username_headers, *config.uid_headers, *config.group_headers))
        self._matters: dict[str, bool] = {}  # by a header's name, spelled as it came
        self._identities: dict[tuple[tuple[str, str], ...], Identity] = {}

    def is_named(self, headers: Headers) -> bool:
        """Return whether somebody is named at all."""
        return any(headers.get(name) for name in self._config.username_headers)

    def speaks_for(self, headers: Headers) -> Identity | Refused | None:
        """Return whom the front proxy speaks for, None if it names nobody."""
        matters = self._matters
        try:
            telling = tuple([item for item in headers.items() if matters[item[0]]])
        except KeyError:
            self._learn(headers)
            return self.speaks_for(headers)
        identity = self._identities.get(telling)
        if identity is not None:
            return identity
        found = self._read(headers)
        if isinstance(found, Identity):
            if len(self._identities) >= _REMEMBERED:
                self._identities.clear()
            self._identities[telling] = found
        return found

    def _learn(self, headers: Headers) -> None:
        names = [name for name, _ in headers.items()]
        if len(self._matters) + len(names) > _REMEMBERED:
            self._matters.clear()
        for name in names:
            lowered = name.lower()
            self._matters[name] = lowered in self._names or lowered.startswith(self._prefixes)

    def _read(self, headers: Headers) -> Identity | Refused | None:
        user = _single(headers, self._config.username_headers)
        if isinstance(user, Refused) or not user:
            return user or None
        uid = _single(headers, self._config.uid_headers)
        if isinstance(uid, Refused):
            return uid
        groups = tuple(group for name in self._config.group_headers for group in headers.getall(name, ()) if group)
        return _authenticated(user, uid, groups, self._extra(headers))

    def _extra(self, headers: Headers) -> tuple[tuple[str, tuple[str, ...]], ...]:
        found: dict[str, list[str]] = {}
        for prefix in self._prefixes:
            for name, value in headers.items():
                lowered = name.lower()
                if lowered.startswith(prefix):
                    found.setdefault(unquote(lowered[len(prefix) :]), []).append(value)
        return _sorted(found)


class Authenticator:
    """Finds out who is asking. `configure` it with the cluster's authentication ConfigMap, and again whenever that changes.

    *review_token* asks the API server whose token this is and returns None if nobody's; it raises `ApiServerError` when there is
    no answer. *wall_clock* is Unix seconds, for certificates; *clock* counts seconds and never goes back, for remembered answers.
    """

    def __init__(
        self,
        review_token: Callable[[str], Awaitable[Identity | None]],
        *,
        terms: answers.Terms | None = None,
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._review_token = review_token
        self._wall_clock = wall_clock
        self._tokens: answers.Answers[bytes, str, Identity | Refused] = answers.Answers(
            self._owner, is_yes=_is_identity, name="token", terms=terms or answers.Terms(), clock=clock
        )
        self._trust: clientcerts.Trust | None = None
        self._front_proxy = _FrontProxy(AuthConfig())
        self._connections: WeakKeyDictionary[ssl.SSLObject, _Connection] = WeakKeyDictionary()

    @property
    def problems(self) -> tuple[str, ...]:
        """Return why identities from the front proxy are refused for everyone, in words; empty when all is well."""
        if self._trust is None:
            return ("the cluster's authentication ConfigMap has not been read yet: no certificate is believed",)
        return self._trust.problems

    @property
    def reviews(self) -> int:
        """Return how many TokenReviews have been asked for."""
        return self._tokens.asked

    def configure(self, config: AuthConfig) -> None:
        """Go by *config* from the next request on, also on connections that are already open."""
        self._trust = clientcerts.Trust(config)
        self._front_proxy = _FrontProxy(config)

    async def authenticate(
        self, headers: Headers, connection: ssl.SSLObject | None, *, anonymous: bool = False
    ) -> Identity | Refused:
        """Return who sent a request with *headers* over *connection* (None: not TLS).

        With *anonymous*, a request without any credentials is `ANONYMOUS`'s; wrong credentials are refused all the same.
        """
        known = self._connection(connection)
        if known.front_proxy:
            named = self._front_proxy.speaks_for(headers)
            if named is not None:
                return named
        if known.identity is not None:
            return known.identity
        token = _bearer(headers)
        if token:
            return await self._bearer_of(token)
        if known.refusal:
            return Refused(known.refusal)
        if anonymous:
            return ANONYMOUS
        return Refused(self._why_nobody(headers, known))

    async def close(self) -> None:
        """Give up the TokenReviews that are under way."""
        await self._tokens.close()

    def _connection(self, connection: ssl.SSLObject | None) -> _Connection:
        """Return what *connection*'s certificate is good for: judged once, and again when its time or our trust ends."""
        if connection is None:
            return _PLAIN
        known = self._connections.get(connection)
        now = self._wall_clock()
        if known is None or known.trust is not self._trust or now > known.until:
            known = self._judge(connection.getpeercert(binary_form=True), now)
            self._connections[connection] = known
        return known

    def _judge(self, certificate: bytes | None, now: float) -> _Connection:
        trust = self._trust
        if certificate is None:
            return _Connection(trust, math.inf)
        if trust is None:
            return _Connection(trust, math.inf, refusal=self.problems[0])
        standing = trust.judge(certificate, now=now)
        identity = _authenticated(standing.user, "", standing.groups, ()) if standing.user else None
        return _Connection(trust, standing.until, standing.front_proxy, identity, standing.refusal)

    async def _bearer_of(self, token: str) -> Identity | Refused:
        answer = await self._tokens.get(hashlib.sha256(token.encode(errors="surrogateescape")).digest(), token)
        if isinstance(answer, answers.Unknown):
            return Refused(f"the bearer token could not be checked: {answer.reason}", HTTPStatus.SERVICE_UNAVAILABLE)
        return answer

    async def _owner(self, token: str) -> Identity | Refused:
        user = await self._review_token(token)
        if user is None:
            return Refused("the API server does not accept this bearer token")
        return _authenticated(user.user, user.uid, user.groups, user.extra)

    def _why_nobody(self, headers: Headers, known: _Connection) -> str:
        if known.front_proxy:
            return "the front proxy's certificate came without the name of a user"
        if self._front_proxy.is_named(headers):
            return "identity headers count only over a connection with the front proxy's certificate"
        return "no credentials: neither a client certificate nor a bearer token"


_PLAIN = _Connection(None, math.inf)


def _is_identity(found: Identity | Refused) -> bool:
    return isinstance(found, Identity)


def _authenticated(user: str, uid: str, groups: tuple[str, ...], extra: tuple[tuple[str, tuple[str, ...]], ...]) -> Identity:
    """Return the identity with the group of everyone who is known added, as Go's API servers add it."""
    if AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
        groups = (*groups, AUTHENTICATED)
    return Identity(user, uid, groups, extra)


def _single(headers: Headers, names: Sequence[str]) -> str | Refused:
    """Return the first of *names* that has a value; a header sent twice is refused, since readers differ in which they take."""
    for name in names:
        values = headers.getall(name, ())
        if len(values) > 1:
            return Refused(f"header {name} was sent {len(values)} times")
        if values and values[0]:
            return values[0]
    return ""


def _bearer(headers: Headers) -> str:
    scheme, _, token = (headers.get("Authorization") or "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _sorted(extra: Mapping[str, Sequence[str]]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple(sorted((key, tuple(values)) for key, values in extra.items()))
