"""Prometheus, and the backends that answer its HTTP API (Thanos, Mimir, VictoriaMetrics and the hosted ones).

One query per selection and collection, whatever the number of objects and readers. An answer that the server itself calls
incomplete is no answer: half of a queue would pass for all of it.
"""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec

from adapter.errors import Fault, SourceError
from adapter.metric import Labels, Row
from adapter.rules.model import Selection
from adapter.sources import Batch, Wanted, promql, transport
from adapter.sources.credentials import Access, Auth, Credentials, Tls

#: From here on a body is read in a thread: half a megabyte of JSON is 4 ms in which no reader would be answered.
_THREAD_BYTES = 256 * 1024
_SLICE_BYTES = 64 * 1024
#: Between two series. No string can hold it, because a quote in a string is escaped; a server that writes blanks is read in one.
_SEAM = b']},{"metric":'
_ERROR_CHARS = 160
_BASE_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusSettings:
    """Where a Prometheus is, who we are to it, and how much we take from it."""

    # The base of its API, as `http://prometheus.monitoring:9090` or `https://mimir/prometheus`; `/api/v1/query` is added.
    url: str
    # How long after the start of one collection the next one starts. Faster than its scrape interval brings nothing new.
    interval_s: float = 15.0
    # How long one query may take; also sent along, so that the server gives up as well.
    timeout_s: float = 5.0
    auth: Auth = field(default_factory=Auth)
    tls: Tls = field(default_factory=Tls)
    # Sent with every query, such as `X-Scope-OrgID`; values that are secret belong into files.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    # Added to the URL of every query, such as `partial_response=false`.
    query_params: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Queries under way at a time; more of them finish no sooner on most servers.
    concurrency: int = 4
    # A selection that brings more series is refused: it is nearly always one that lost its matchers.
    max_series: int = 100_000
    # The largest answer, decompressed.
    max_body_bytes: int = 64 * 2**20

    def __post_init__(self) -> None:
        if not _BASE_URL.fullmatch(self.url):
            raise ValueError("url must be http(s)://host[:port][/prefix]: credentials go under auth, parameters under query_params")
        if min(self.interval_s, self.timeout_s) <= 0:
            raise ValueError(f"interval_s {self.interval_s} and timeout_s {self.timeout_s} must be longer than zero")
        if min(self.concurrency, self.max_series, self.max_body_bytes) < 1:
            raise ValueError("concurrency, max_series and max_body_bytes must be at least 1")
        for name in (*self.headers, *self.header_files):
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no header name")
        if not all(value.isprintable() for value in self.headers.values()):
            raise ValueError("header values must be one line of text")
        told = {name.lower() for name in (*self.headers, *self.header_files)}
        if "authorization" in told and self.auth != Auth():
            raise ValueError("an Authorization header and auth exclude each other: keep one")


class PrometheusSource:
    """One Prometheus, by the name that rules use for it."""

    def __init__(self, name: str, settings: PrometheusSettings) -> None:
        self.name = name
        self.settings = settings
        self._url = f"{settings.url.rstrip('/')}/api/v1/query"
        self._credentials = Credentials(
            name,
            settings.auth,
            settings.tls,
            headers=settings.headers,
            header_files=settings.header_files,
        )
        self._session: aiohttp.ClientSession | None = None
        self._names = SeriesNames()

    @property
    def interval_s(self) -> float:
        """Return how long after the start of one collection the next one starts."""
        return self.settings.interval_s

    async def collect(self, wanted: Sequence[Wanted], *, now: float) -> Batch:
        """Return every wanted selection's rows; each selection stands in *wanted* once.

        It ends within the time-out, or within the interval when that is longer and there are more queries than `concurrency`.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        rows: dict[Selection, Sequence[Row] | SourceError]
        self._names.turn()
        try:
            access = await asyncio.to_thread(self._credentials.read, https=self._url.startswith("https:"))
        except SourceError as error:
            rows = {want.selection: error for want in wanted}
        else:
            slots = asyncio.Semaphore(self.settings.concurrency)
            deadline = started + max(self.settings.timeout_s, self.settings.interval_s)
            answers = await asyncio.gather(*(self._ask(want, access, slots, deadline) for want in wanted))
            rows = {want.selection: answer for want, answer in zip(wanted, answers, strict=True)}
        took_s = loop.time() - started
        return Batch(source=self.name, at=now + took_s, took_s=took_s, rows=rows)

    async def close(self) -> None:
        """Release connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, want: Wanted, access: Access, slots: asyncio.Semaphore, deadline: float) -> Sequence[Row] | SourceError:
        settings = self.settings
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(deadline), slots:
                async with asyncio.timeout_at(min(deadline, loop.time() + settings.timeout_s)):
                    status, media_type, body = await self._post(want, access)
            if len(body) >= _THREAD_BYTES:
                return await asyncio.to_thread(self._read, want, status, media_type, body)
            return self._read(want, status, media_type, body)
        except SourceError as error:
            return error
        except (TimeoutError, OSError, aiohttp.ClientError, transport.BodyTooLargeError) as error:
            fault, detail = transport.fault_of(
                error, timeout_s=settings.timeout_s, max_bytes=settings.max_body_bytes, https=access.context is not None
            )
            return SourceError(self.name, fault, detail)

    async def _post(self, want: Wanted, access: Access) -> tuple[int, str, bytes]:
        try:
            return await self._post_once(want, access)
        except aiohttp.ServerDisconnectedError:
            # A kept connection that the server closed meanwhile looks like this; a query changes nothing and can be repeated.
            return await self._post_once(want, access)

    async def _post_once(self, want: Wanted, access: Access) -> tuple[int, str, bytes]:
        if self._session is None:
            self._session = transport.session(self.settings.concurrency, keepalive_s=2 * self.settings.interval_s)
        form = {
            "query": promql.query(want),
            "timeout": promql.milliseconds(self.settings.timeout_s),
            # From Prometheus 3 on it keeps values back that no rule would take; others ignore it.
            "lookback_delta": promql.milliseconds(want.max_age_s),
        }
        async with self._session.post(
            self._url,
            data=form,
            params=self.settings.query_params,
            headers={**access.headers, "Accept": "application/json"},
            ssl=access.context if access.context is not None else True,
            server_hostname=access.server_name if access.context is not None else None,
            allow_redirects=False,
        ) as response:
            body = await transport.read_body(response, self.settings.max_body_bytes)
            return response.status, response.content_type, body

    def _read(self, want: Wanted, status: int, media_type: str, body: bytes) -> list[Row]:
        if 300 <= status < 400:
            raise SourceError(self.name, Fault.REJECTED, f"redirected ({status}): give the address that it leads to")
        try:
            answer = _decode_answer(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if status != 200:
                raise SourceError(self.name, transport.refusal(status), f"answered {status}") from error
            detail = f"answered {media_type} that is no query result: does the URL lead to a login page or another service?"
            raise SourceError(self.name, Fault.PARSE, detail) from error
        if status != 200 or answer.status != "success" or answer.data is None:
            raise self._refused(status, answer)
        incomplete = [text for text in answer.warnings or () if not text.startswith("PromQL ")]
        if incomplete or answer.is_partial:
            raise SourceError(self.name, Fault.PARTIAL, _printable(incomplete[0] if incomplete else "isPartial"))
        try:
            found = rows(want, answer.data, self._names)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise SourceError(self.name, Fault.PARSE, "the result does not have the form of Prometheus' HTTP API") from error
        except _UnusableError as error:
            raise SourceError(self.name, Fault.REJECTED, str(error)) from error
        if len(found) > self.settings.max_series:
            detail = f"{len(found)} series, and max_series is {self.settings.max_series}: select fewer, or raise it"
            raise SourceError(self.name, Fault.TOO_MANY, detail)
        return found

    def _refused(self, status: int, answer: "_Answer") -> SourceError:
        text = _printable(answer.error or f"answered {status}")
        if status in {400, 422} or status == 200:
            return SourceError(self.name, Fault.REJECTED, text)
        fault = Fault.TIMEOUT if answer.error_type == "timeout" else transport.refusal(status)
        return SourceError(self.name, fault, text)


class _UnusableError(Exception):
    """An expression is right, and its result is of a kind that no rule can take."""


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Answer(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error_type: str = ""
    error: str = ""
    warnings: list[str] | None = None
    is_partial: bool = False  # VictoriaMetrics


class _Series(msgspec.Struct, gc=False):
    metric: msgspec.Raw
    value: tuple[float, str] | None = None  # None: a native histogram


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_vector = msgspec.json.Decoder(list[_Series]).decode
_decode_scalar = msgspec.json.Decoder(tuple[float, str]).decode
_decode_metric = msgspec.json.Decoder(dict[str, str]).decode


class _Known(NamedTuple):
    """What a series' text says."""

    labels: Labels
    dates: bool  # its value is the time of the series with the same labels
    key: tuple[str, ...]


class SeriesNames:
    """The labels of series by their text in an answer: read once, and shared by all selections and collections that have them.

    Text that a whole collection did not have is forgotten: call `turn` before each. Several threads may look up at a time.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, _Known] = {}
        self._before: dict[bytes, _Known] = {}
        self._shared: dict[tuple[str, ...], Labels] = {}

    def turn(self) -> None:
        """Begin a collection."""
        self._before, self._known, self._shared = self._known, {}, {}

    def read(self, text: bytes) -> _Known:
        """Return what *text*, the JSON object of a series' labels, says; series with the same labels get the same object."""
        known = self._known.get(text)
        if known is None:
            known = self._before.get(text) or self._decoded(text)
            shared = self._shared.setdefault(known.key, known.labels)
            if shared is not known.labels:
                known = known._replace(labels=shared)
            self._known[text] = known
        return known

    @staticmethod
    def _decoded(text: bytes) -> _Known:
        metric = _decode_metric(text)
        metric.pop("__name__", None)
        part = metric.pop(promql.PART_LABEL, None)
        # The same namespaces and models come back in every series of every answer.
        labels = {sys.intern(label): sys.intern(value) for label, value in metric.items()}
        return _Known(labels, part == promql.TIME, tuple(word for pair in sorted(labels.items()) for word in pair))


def rows(want: Wanted, data: _Data, names: SeriesNames) -> list[Row]:
    """Return the rows of an answer: a value without a time belongs to a series that is gone, and is left out."""
    if data.result_type == "scalar" and want.selection.promql:
        at, value = _decode_scalar(data.result)
        return [Row({}, float(value), at)]
    if data.result_type != "vector":
        raise _UnusableError(f"the expression gives a {data.result_type}, and a rule needs an instant vector")
    found: list[Row] = []
    times: dict[int, float] = {}  # by the identity of the labels
    histograms = False
    for one in _vector(bytes(data.result)):
        if one.value is None:
            histograms = True
            continue
        at, value = one.value
        known = names.read(bytes(one.metric))
        if known.dates:
            times[id(known.labels)] = float(value)
        else:
            found.append(Row(known.labels, float(value), at))
    if histograms and not found and not times:
        raise _UnusableError("the series are native histograms, which have no single value: ask for a quantile")
    if want.selection.promql:
        return found
    return [Row(labels, value, times[id(labels)]) for labels, value, _ in found if id(labels) in times]


def _vector(body: bytes) -> Iterator[_Series]:
    """Yield the series of a JSON array, read slice by slice: one call for 20 MB would hold the interpreter for 100 ms."""
    start = 0
    while (seam := body.find(_SEAM, start + _SLICE_BYTES)) >= 0:
        end = seam + len(b"]}")
        yield from _decode_vector((b"[" if start else b"") + body[start:end] + b"]")
        start = end + len(b",")
    yield from _decode_vector((b"[" if start else b"") + body[start:])


def _printable(text: str) -> str:
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat if len(flat) <= _ERROR_CHARS else flat[: _ERROR_CHARS - 1] + "…"
