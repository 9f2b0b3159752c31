"""Who may read the page, and what of it.

In a cluster: whoever has a token that the API server knows, as a bearer token or behind a session's cookie, and may list
InferenceScalers, everywhere or in some namespaces: only those are shown. On loopback: whoever has the key, for the demo.
"""

import asyncio
import hmac
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from aiohttp import hdrs, web
from multidict import CIMultiDict

from adapter.access import Identity, ResourceAttributes
from adapter.api import authn, authz
from autoscaler.page.sessions import LIFETIME_S, Sessions
from autoscaler.resource.scaler import GROUP, PLURAL, VERSION

#: Over TLS only, for this host only, for every path: a browser refuses the name otherwise.
_COOKIE = "__Host-leadtime"
_TOKEN_BYTES = 16 * 1024
_READ_S = 10.0
#: Questions about namespaces that are under way at once, whoever reads: a fleet has hundreds, and the API server others to serve.
_ASKED_AT_ONCE = 16


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
    """By TokenReview and SubjectAccessReview. *clock* counts seconds and never goes back."""

    takes_tokens = True

    def __init__(self, authenticator: authn.Authenticator, authorizer: authz.Authorizer, *, clock: Callable[[], float]) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._sessions = Sessions(clock=clock)
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)

    def strange(self, request: web.BaseRequest) -> Refusal | None:
        """Return why another site's request is refused."""
        return _another_site(request)

    async def reader(self, request: web.BaseRequest) -> Reader | Refusal:
        """Return whose bearer token, or whose session, it is."""
        if hdrs.AUTHORIZATION in request.headers:
            return await self._who(request.headers)
        name = request.cookies.get(_COOKIE, "")
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
        everywhere = await self._may(reader.identity, "")
        if everywhere.allowed:
            return Sight(None)
        names = sorted(namespaces)
        verdicts = await asyncio.gather(*(self._may(reader.identity, each) for each in names))
        allowed = frozenset(name for name, verdict in zip(names, verdicts, strict=True) if verdict.allowed)
        unknown = next((verdict.reason for verdict in (everywhere, *verdicts) if verdict.fault), "")
        return Sight(allowed, unknown)

    async def enter(self, request: web.BaseRequest) -> web.Response:
        """Open a session for the token in the body."""
        refusal = _foreign_origin(request)
        if refusal is not None:
            return refused(refusal)
        if not self._sessions.attempt():
            return refused(Refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many attempts to sign in: wait for a minute"))
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
        found = await self._who(_bearer(token))
        if isinstance(found, Refusal):
            return refused(found)
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        self._set(response, self._sessions.open(token), int(LIFETIME_S))
        return response

    def leave(self, request: web.BaseRequest) -> web.Response:
        """End the session."""
        refusal = _foreign_origin(request)
        if refusal is not None:
            return refused(refusal)
        self._sessions.close(request.cookies.get(_COOKIE, ""))
        response = web.Response(status=HTTPStatus.NO_CONTENT)
        self._set(response, "", 0)
        return response

    def arrive(self, _request: web.BaseRequest) -> web.Response | None:
        """Return None: nobody comes with a key."""
        return None

    async def _who(self, headers: authn.Headers) -> Reader | Refusal:
        # Client certificates are the front proxy's business: who reads a page has a token.
        found = await self._authenticator.authenticate(headers, None, anonymous=False)
        if isinstance(found, authn.Refused):
            return Refusal(found.status, found.message)
        return Reader(found.user, found)

    async def _may(self, identity: Identity, namespace: str) -> authz.Verdict:
        what = ResourceAttributes(verb="list", namespace=namespace, group=GROUP, version=VERSION, resource=PLURAL)
        async with self._asking:
            return await self._authorizer.check(identity, what)

    @staticmethod
    def _set(response: web.Response, value: str, max_age: int) -> None:
        response.set_cookie(_COOKIE, value, max_age=max_age, path="/", secure=True, httponly=True, samesite="Strict")


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
        # Cookies do not tell ports apart, and two demos may run.
        return f"leadtime-{request.headers.get(hdrs.HOST, '').rpartition(':')[2]}"


def refused(refusal: Refusal) -> web.Response:
    """Return the answer that says *refusal*."""
    return web.json_response({"message": refusal.message}, status=refusal.status)


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
