"""One range query to a Prometheus, asked through prometheus-api-client in the calling thread.

The client asks and unpacks. What it leaves open is settled here, in the transport beneath it: a deadline that holds for the whole
answer (its time-out is per read from the socket), TLS with exactly the authorities that were given, no redirects, no proxies and
no passwords from the environment, no retries, a cap on the body, and an answer that the server itself calls incomplete is none.

Importing this takes a quarter of a second, for requests: `autoscaler.history` does so when it is first asked, in its thread.
"""

import datetime as dt
import io
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import requests
from prometheus_api_client import PrometheusConnect
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, InvalidHeader, RequestException, Timeout
from urllib3.exceptions import DecodeError, HTTPError, ProtocolError, ReadTimeoutError

from adapter.errors import Fault, SourceError
from adapter.sources.credentials import Access

_SLICE_BYTES = 64 * 1024
_ERROR_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Whom to ask, as whom, and until when."""

    url: str
    access: Access
    deadline: float
    """On the clock of `time.monotonic`."""
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """One series of an answer: its labels, and (Unix seconds, value as Prometheus spells it)."""

    labels: Mapping[str, str]
    points: Sequence[tuple[float, str]]


def ask(server: Server, query: str, *, first_s: int, last_s: int, step_s: int) -> list[Found]:
    """Return the series that *query* gives, evaluated every *step_s* from *first_s* to *last_s*, both included.

    Raises:
        SourceError: there is no answer, or one that cannot be used. No secret is in its words.

    """
    transport = _Transport(server)
    with requests.Session() as session:
        # The environment may hold proxies, an authority bundle and, in ~/.netrc, a password that would replace our token.
        session.trust_env = False
        session.headers["User-Agent"] = "leadtime"
        client = PrometheusConnect(server.url, headers=dict(server.access.headers), session=session)
        # The client has mounted a transport that retries for seconds; the last one mounted counts.
        session.mount(server.url, transport)
        try:
            result = client.custom_query_range(
                query,
                dt.datetime.fromtimestamp(first_s, dt.UTC),
                dt.datetime.fromtimestamp(last_s, dt.UTC),
                f"{step_s}",
                # So that the server gives up as well.
                params={"timeout": f"{max(1, round(transport.left_s()))}s"},
            )
            return [_found(server, series) for series in result]
        except InvalidHeader:
            # Its text repeats the header, and so does its context.
            raise SourceError(server.url, Fault.UNAUTHORIZED, "a header holds what HTTP cannot carry: see its file") from None
        except UnicodeEncodeError:
            raise SourceError(server.url, Fault.UNAUTHORIZED, "a header holds characters beyond Latin-1: see its file") from None
        except (RequestException, HTTPError, OSError) as error:
            raise _failed(server.url, error) from error
        except (ValueError, KeyError, TypeError) as error:
            raise _no_api(server.url) from error


class _Transport(HTTPAdapter):
    """Sends a request and reads the whole answer by the deadline."""

    def __init__(self, server: Server) -> None:
        self._server = server
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def left_s(self) -> float:
        """Return how many seconds are left."""
        return self._server.deadline - time.monotonic()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        access = self._server.access
        if access.context is not None:
            kwargs |= {"ssl_context": access.context, "server_hostname": access.server_name}
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 - requests calls it so
        """Leave verification to our context: requests would add the public authorities to those that it trusts."""
        conn.cert_reqs = "CERT_REQUIRED"

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        left_s = self.left_s()
        if left_s <= 0:
            raise Timeout
        response = super().send(*args, **{**kwargs, "stream": True, "timeout": left_s, "proxies": None})
        try:
            body = self._body(response.raw)
        finally:
            response.raw.close()
        _check(self._server.url, response.status_code, body)
        response.raw = io.BytesIO(body)
        return response

    def _body(self, raw: Any) -> bytes:
        body = bytearray()
        # read1 returns what is there; read would wait for the whole slice, however slowly it trickles in.
        while piece := raw.read1(_SLICE_BYTES, decode_content=True):
            body += piece
            if len(body) > self._server.max_bytes:
                detail = f"the answer is larger than {self._server.max_bytes} bytes: aggregate, as in sum(...)"
                raise SourceError(self._server.url, Fault.TOO_MANY, detail)
            if self.left_s() <= 0:
                raise Timeout
        return bytes(body)


class _Answer(msgspec.Struct, rename="camel"):
    """What stands around the result."""

    status: str
    error: str = ""
    error_type: str = ""
    warnings: list[str] | None = None
    is_partial: bool = False  # VictoriaMetrics


_decode_answer = msgspec.json.Decoder(_Answer).decode


def _check(url: str, status: int, body: bytes) -> None:
    """Raise `SourceError` unless the answer is a whole one."""
    if 300 <= status < 400:
        raise SourceError(url, Fault.REJECTED, f"redirected ({status}): give the address that it leads to")
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if status != 200:
            raise SourceError(url, _refusal(status), f"answered {status}") from error
        raise _no_api(url) from error
    if status != 200 or answer.status != "success":
        fault = Fault.TIMEOUT if answer.error_type == "timeout" else _refusal(status)
        raise SourceError(url, fault, _printable(answer.error) or f"answered {status}")
    incomplete = [text for text in answer.warnings or () if not text.startswith("PromQL ")]
    if incomplete or answer.is_partial:
        raise SourceError(url, Fault.PARTIAL, _printable(incomplete[0]) if incomplete else "isPartial")


def _found(server: Server, series: Mapping[str, Any]) -> Found:
    if "values" not in series:
        detail = "the query gives native histograms, which have no single value: ask for histogram_count or a quantile"
        raise SourceError(server.url, Fault.REJECTED, detail)
    return Found(series["metric"], [(float(at), value) for at, value in series["values"]])


def _refusal(status: int) -> Fault:
    if status in {401, 403, 407}:
        return Fault.UNAUTHORIZED
    return Fault.DOWN if status >= 500 or status == 429 else Fault.REJECTED


def _no_api(url: str) -> SourceError:
    return SourceError(url, Fault.PARSE, "answered what is no query result: does the URL lead to a login page or another service?")


def _failed(url: str, error: Exception) -> SourceError:
    """Return what went wrong in our own words: an exception's text repeats the URL with the whole query."""
    chain = list(_chain(error))
    if any(isinstance(one, Timeout | ReadTimeoutError | TimeoutError) for one in chain):
        return SourceError(url, Fault.TIMEOUT, "no answer by the deadline")
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return SourceError(url, Fault.TLS, f"its certificate is not trusted: {one.verify_message}")
        if isinstance(one, ssl.SSLError):
            return SourceError(
                url, Fault.TLS, f"the TLS session failed: {(one.reason or 'no reason given').replace('_', ' ').lower()}"
            )
    if any(isinstance(one, ChunkedEncodingError | ContentDecodingError | DecodeError) for one in chain):
        return SourceError(url, Fault.PARSE, "the body was cut off or is not encoded as its headers say")
    for one in reversed(chain):  # the last one is what the operating system said
        if type(one).__name__ == "gaierror":
            return SourceError(url, Fault.DOWN, "the host name cannot be resolved")
        if isinstance(one, ConnectionRefusedError):
            return SourceError(url, Fault.DOWN, "connection refused")
    if any(isinstance(one, ProtocolError) for one in chain):
        return SourceError(url, Fault.DOWN, "the connection was closed without a whole answer")
    return SourceError(url, Fault.DOWN, f"the request failed ({type(error).__name__})")


def _chain(error: BaseException | None) -> Sequence[BaseException]:
    chain: list[BaseException] = []
    while error is not None:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain


def _printable(text: str) -> str:
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat if len(flat) <= _ERROR_CHARS else flat[: _ERROR_CHARS - 1] + "…"
