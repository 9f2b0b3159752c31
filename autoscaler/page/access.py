"""Who may read the page, and what of it.

In a cluster: whoever has a token that the API server knows, as a bearer token or behind a session's cookie, and may list
InferenceScalers, everywhere or in some namespaces: only those are shown. On loopback: whoever has the key, for the demo.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import ParamSpec, Protocol, TypeVar

from aiohttp import hdrs, web
from multidict import CIMultiDict

from adapter.access import Attributes, Identity, ResourceAttributes
from adapter.api import authn, authz
from adapter.api.answers import Terms
from autoscaler.page.attempts import Attempts
from autoscaler.page.sessions import LIFETIME_S, Sessions
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION

_TOKEN_BYTES = 16 * 1024
_READ_S = 10.0
_PORT_DIGITS = 5
#: Questions that are under way at once, whoever reads: a fleet has hundreds of namespaces, and the API server others to serve.
_NAMESPACES_AT_ONCE = 16
_TOKENS_AT_ONCE = 16

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may read; *identity* is None where everybody with the key is alike."""

    name: str
    identity: Identity | None = None
    session: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not, and the status that says it."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class Sight:
    """The namespaces that a reader may see; None: all of them. *unknown*: the API server could not be asked about some."""

    namespaces: frozenset[str] | None
    unknown: str = ""

    def covers(self, namespace: str) -> bool:
        """Return whether *namespace* may be seen."""
        return self.namespaces is None or namespace in self.namespaces


class Access(Protocol):
    """Decides who reads."""

    takes_tokens: bool
    """Whether one signs in with a token."""

    def strange(self, request: web.BaseRequest, /) -> Refusal | None:
        """Return why *request* is none that our own page would make, before anything else is looked at."""

    async def reader(self, request: web.BaseRequest, /) -> Reader | Refusal:
        """Return who asks."""

    async def sight(self, reader: Reader, namespaces: Collection[str], /) -> Sight:
        """Return which of *namespaces* the reader may see."""

    async def enter(self, request: web.BaseRequest, /) -> web.Response:
        """Answer somebody who signs in."""

    def leave(self, request: web.BaseRequest, /) -> web.Response:
        """Answer somebody who signs out."""

    def arrive(self, request: web.BaseRequest, /) -> web.Response | None:
        """Answer somebody who comes with a key in the address; None where there is none."""


class InCluster:
    """By TokenReview and SubjectAccessReview: *whose* a token is and what they *may*, as `authn` and `authz` ask.

    *clock* counts seconds and never goes back.
    """

    takes_tokens = True

    def __init__(
        self,
        whose: Callable[[str], Awaitable[Identity | None]],
        may: Callable[[Identity, Attributes], Awaitable[tuple[bool, str]]],
        *,
        clock: Callable[[], float],
    ) -> None:
        # A reader of one namespace gets a no for every other: hundreds of questions, if they were asked again with each look.
        terms = Terms(no_s=60.0)
        self._authenticator = authn.Authenticator(_in_turn(whose, _TOKENS_AT_ONCE), clock=clock)
        # Who may everywhere waits for nobody's namespaces, and what is remembered waits for nothing.
        self._everywhere = authz.Authorizer(may, terms=terms, clock=clock)
        self._somewhere = authz.Authorizer(_in_turn(may, _NAMESPACES_AT_ONCE), terms=terms, clock=clock)
        self._sessions = Sessions(clock=clock)
        self._attempts = Attempts(clock=clock)

    def strange(self, request: web.BaseRequest) -> Refusal | None:
        """Return why another site's request is refused."""
        return _another_site(request)

    async def reader(self, request: web.BaseRequest) -> Reader | Refusal:
        """Return whose bearer token, or whose session, it is."""
        if hdrs.AUTHORIZATION in request.headers:
            return await self._who(request.headers)
        name = request.cookies.get(_cookie(request), "")
        token = self._sessions.token(name) if name else None
        if token is None:
            return Refusal(HTTPStatus.UNAUTHORIZED, "sign in: there is no session, or it has ended")
        found = await self._who(_bearer(token))
        if isinstance(found, Refusal) and found.status == HTTPStatus.UNAUTHORIZED:
            self._sessions.close(name)
            return Refusal(HTTPStatus.UNAUTHORIZED, "sign in again: the token has ended")
        return found if isinstance(found, Refusal) else Reader(found.name, found.identity, name)

    async def sight(self, reader: Reader, namespaces: Collection[str]) -> Sight:
        """Return where the reader may list scalers: everywhere is asked once, and each namespace only after a no."""
        if reader.identity is None:
            return Sight(frozenset())
        everywhere = await self._everywhere.check(reader.identity, _listing(""))
        if everywhere.allowed:
            return Sight(None)
        if everywhere.fault:
            return Sight(frozenset(), everywhere.reason)
        names = sorted(namespaces)
        verdicts = await asyncio.gather(*(self._somewhere.check(reader.identity, _listing(each)) for each in names))
        allowed = frozenset(name for name, verdict in zip(names, verdicts, strict=True) if verdict.allowed)
        unknown = next((verdict.reason for verdict in verdicts if verdict.fault), "")
        return Sight(allowed, unknown)

    async def enter(self, request: web.BaseRequest) -> web.Response:
        """Open a session for the token in the body."""
        refusal = _foreign_origin(request)
        if refusal is not None:
            return refused(refusal)
        if not 0 < (request.content_length or 0) <= _TOKEN_BYTES:
            return refused(
                Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a token has at most {_TOKEN_BYTES} bytes, and no less than one")
            )
        try:
            async with asyncio.timeout(_READ_S):
                token = (await request.read()).decode("ascii").strip()
        except (TimeoutError, UnicodeDecodeError):
            token = ""
        if not token or not token.isprintable() or " " in token:
            return refused(Refusal(HTTPStatus.BAD_REQUEST, "this is no token: paste what `kubectl create token` prints"))
        address = request.remote or ""
        if not self._attempts.allowed(address):
            return refused(Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many attempts to sign in: wait for a minute"))
        found = await self._who(_bearer(token))
        if isinstance(found, Refusal):
            if found.status == HTTPStatus.UNAUTHORIZED:
                self._attempts.refused(address)
            return refused(found)
        return _keeping(request, self._sessions.open(token), int(LIFETIME_S))

    def leave(self, request: web.BaseRequest) -> web.Response:
        """End the session."""
        refusal = _foreign_origin(request)
        if refusal is not None:
            return refused(refusal)
        self._sessions.close(request.cookies.get(_cookie(request), ""))
        return _keeping(request, "", 0)

    def arrive(self, _request: web.BaseRequest) -> web.Response | None:
        """Return None: nobody comes with a key."""
        return None

    async def _who(self, headers: authn.Headers) -> Reader | Refusal:
        # Client certificates are the front proxy's business: who reads a page has a token.
        found = await self._authenticator.authenticate(headers, None, anonymous=False)
        if isinstance(found, authn.Refused):
            return Refusal(found.status, found.message)
        return Reader(found.user, found)


class WithKey:
    """By a key, on loopback without TLS: for the demo, whose whole cluster is one's own.

    The key comes in the address once and is exchanged for a cookie; what the cookie says follows from the key, so a page that is
    open goes on when the process starts anew with the same key.
    """

    takes_tokens = False

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._cookie = hmac.new(self._key, b"leadtime page", "sha256").hexdigest()

    def strange(self, request: web.BaseRequest) -> Refusal | None:
        """Return why a request under another name than loopback's is refused: a name can be made to point here."""
        host = request.headers.get(hdrs.HOST, "").rpartition(":")[0]
        if host not in {"127.0.0.1", "localhost", "[::1]"}:
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "this page is served as 127.0.0.1 and localhost only")
        return _another_site(request)

    async def reader(self, request: web.BaseRequest) -> Reader | Refusal:
        """Return the one who has the key."""
        if hmac.compare_digest(request.cookies.get(self._name(request), "").encode(), self._cookie.encode()):
            return Reader("you")
        return Refusal(HTTPStatus.UNAUTHORIZED, "open the address that was printed: it has the key")

    async def sight(self, _reader: Reader, _namespaces: Collection[str]) -> Sight:
        """Return everything."""
        return Sight(None)

    async def enter(self, _request: web.BaseRequest) -> web.Response:
        """Refuse: there are no tokens here."""
        return refused(Refusal(HTTPStatus.FORBIDDEN, "open the address that was printed: it has the key"))

    def leave(self, request: web.BaseRequest) -> web.Response:
        """Take the cookie back."""
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        response.del_cookie(self._name(request), path="/")
        return response

    def arrive(self, request: web.BaseRequest) -> web.Response | None:
        """Exchange the key in the address for a cookie, and go on to the page without it."""
        said = request.query.get("key")
        if said is None:
            return None
        if not hmac.compare_digest(said.encode(errors="replace"), self._key):
            return refused(
                Refusal(HTTPStatus.FORBIDDEN, "this is not the key of this page: open the address that was printed last")
            )
        response = web.Response(status=HTTPStatus.SEE_OTHER, headers={hdrs.LOCATION: "/"})
        response.set_cookie(self._name(request), self._cookie, path="/", httponly=True, samesite="Strict")
        return response

    @staticmethod
    def _name(request: web.BaseRequest) -> str:
        return f"leadtime-{_port(request)}"


def refused(refusal: Refusal) -> web.Response:
    """Return the answer that says *refusal*."""
    return web.json_response({"message": refusal.message}, status=refusal.status)


def _in_turn(ask: Callable[P, Awaitable[T]], most: int) -> Callable[P, Awaitable[T]]:
    """Return *ask* so that at most so many of its questions are under way at once, and the others wait for their turn."""
    turns = asyncio.Semaphore(most)

    async def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        async with turns:
            return await ask(*args, **kwargs)

    return asked


def _listing(namespace: str) -> ResourceAttributes:
    return ResourceAttributes(verb="list", namespace=namespace, group=GROUP, version=VERSION, resource=PLURAL)


def _cookie(request: web.BaseRequest) -> str:
    # The prefix: over TLS only, for this host only, for every path; a browser refuses the name otherwise.
    return f"__Host-leadtime-{_port(request)}"


def _port(request: web.BaseRequest) -> str:
    """Return the port that the page was asked at: cookies do not tell ports apart, and two clusters are two ports of localhost."""
    port = request.headers.get(hdrs.HOST, "").rpartition(":")[2]
    return port if port.isascii() and port.isdigit() and len(port) <= _PORT_DIGITS else "443"


def _keeping(request: web.BaseRequest, session: str, max_age_s: int) -> web.Response:
    """Return the answer that has a browser keep the name of its *session*, or forget it at once."""
    response = web.Response(status=HTTPStatus.NO_CONTENT)
    response.set_cookie(_cookie(request), session, max_age=max_age_s, path="/", secure=True, httponly=True, samesite="Strict")
    return response


def _bearer(token: str) -> CIMultiDict[str]:
    return CIMultiDict({hdrs.AUTHORIZATION: f"Bearer {token}"})


def _another_site(request: web.BaseRequest) -> Refusal | None:
    """Return why a request is refused that a browser makes for another site; following a link here is no such request."""
    headers: Mapping[str, str] = request.headers
    if headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"} or headers.get("Sec-Fetch-Mode") == "navigate":
        return None
    return Refusal(HTTPStatus.FORBIDDEN, "requests of other sites are not answered")


def _foreign_origin(request: web.BaseRequest) -> Refusal | None:
    origin, host = request.headers.get(hdrs.ORIGIN, ""), request.headers.get(hdrs.HOST, "")
    if host and origin == f"https://{host}":
        return None
    return Refusal(HTTPStatus.FORBIDDEN, "sign in on the page itself: the request comes from another origin")
