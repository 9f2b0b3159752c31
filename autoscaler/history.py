"""Where a forecast gets the days before the daemon began to watch: asked for once per target, and never waited for by the loop.

What is behind `History` may be away, slow or wrong. A target whose history cannot be had starts cold and says so.
"""

import asyncio
import math
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np

from adapter.errors import Fault, SourceError
from adapter.sources.credentials import Auth, Credentials, Tls
from autoscaler.errors import AutoscalerError
from forecasting.errors import InputError
from forecasting.forecast import Spec
from forecasting.series import Series

if TYPE_CHECKING:
    from autoscaler.rangequery import Found

#: Prometheus refuses a query with more points than this per series.
MAX_POINTS = 11_000
_MAX_BODY_BYTES = 16 * 2**20
_NAMED = 3
_PASSING = frozenset({Fault.DOWN, Fault.TIMEOUT, Fault.PARTIAL})
_BASE_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")


class HistoryError(AutoscalerError):
    """A history could not be had. `fault` says in which way and `detail` what to do about it; no secret is in either.

    The caller goes on without: it starts cold, or with what it kept.
    """

    def __init__(self, source: str, fault: Fault, detail: str) -> None:
        self.source = source
        self.fault = fault
        self.detail = detail
        super().__init__(f"{fault.value}: {source}: {detail}")

    @property
    def passing(self) -> bool:
        """Whether the same question may be answered later."""
        return self.fault in _PASSING


class History(Protocol):
    """What was measured before we looked."""

    async def series(self, *, query: str, start_s: int, end_s: int, step_s: int) -> Series:
        """Return the whole buckets of *step_s* seconds between *start_s* and *end_s*, Unix seconds; what is not known is NaN.

        *end_s* is not later than now: what has not happened yet is not history. Raises `HistoryError`.
        """
        ...


class NoHistory:
    """The history of a daemon that has nobody to ask: gaps throughout."""

    async def series(self, *, query: str, start_s: int, end_s: int, step_s: int) -> Series:  # noqa: ARG002 - nobody to ask it
        """Return nothing but gaps."""
        first, last = _slots(start_s, end_s, step_s)
        return Series(start_s=first * step_s, step_s=step_s, values=np.full(last - first, np.nan))


class PrometheusHistory:
    """History from a Prometheus, or from what speaks its API (Thanos, Mimir, VictoriaMetrics).

    A bucket's value is the query's at the bucket's end, so that ``rate(requests_total[1m])`` at 12:01 is the bucket from 12:00.
    """

    def __init__(
        self,
        url: str,
        *,
        deadline_s: float = 20.0,
        auth: Auth | None = None,
        tls: Tls | None = None,
        headers: Mapping[str, str] | None = None,
        concurrency: int = 2,
    ) -> None:
        """Ask the API under *url*, as in ``http://prometheus.monitoring:9090``, at most *concurrency* questions at a time.

        *deadline_s* is for all of a question, from its turn to the last byte. *auth* and *tls* name files, read anew for each
        question; *headers* are sent along, such as ``X-Scope-OrgID``. Raises `ValueError` for what cannot be meant.
        """
        self.url = address(url)
        if not (deadline_s > 0 and math.isfinite(deadline_s)):
            raise ValueError(f"deadline_s {deadline_s:g} must be longer than zero")
        self._deadline_s = deadline_s
        self._credentials = Credentials(self.url, auth or Auth(), tls or Tls(), headers=headers)
        self._turns = asyncio.Semaphore(concurrency)
        # Not the loop's own threads: a Prometheus that hangs would keep all of those from everybody else.
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="history")

    async def series(self, *, query: str, start_s: int, end_s: int, step_s: int) -> Series:
        """Return what *query* was; see `History`. It has to give one series: ``sum(...)`` makes one of many."""
        first, last = _slots(start_s, end_s, step_s)
        loop = asyncio.get_running_loop()
        async with self._turns:
            try:
                async with asyncio.timeout(self._deadline_s):
                    values = await loop.run_in_executor(self._threads, self._values, query, first, last, step_s)
            except TimeoutError as error:
                raise HistoryError(self.url, Fault.TIMEOUT, self._too_slow()) from error
            except SourceError as error:
                detail = self._too_slow() if error.fault is Fault.TIMEOUT else error.detail
                raise HistoryError(self.url, error.fault, detail) from error
        return Series(start_s=first * step_s, step_s=step_s, values=values)

    async def close(self) -> None:
        """Take no more questions. A thread that is still asking ends by its deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _values(self, query: str, first: int, last: int, step_s: int) -> np.ndarray:
        """Return the values of the buckets from *first* up to, and without, *last*. Blocks: called in a thread."""
        from autoscaler import rangequery  # a quarter of a second, for requests

        server = rangequery.Server(
            url=self.url,
            access=self._credentials.read(https=self.url.startswith("https:")),
            deadline=time.monotonic() + self._deadline_s,
            max_bytes=_MAX_BODY_BYTES,
        )
        values = np.full(last - first, np.nan)
        labels: set[tuple[tuple[str, str], ...]] = set()
        for begin in range(first, last, MAX_POINTS):
            end = min(begin + MAX_POINTS, last)
            found = rangequery.ask(server, query, first_s=(begin + 1) * step_s, last_s=end * step_s, step_s=step_s)
            labels |= {tuple(sorted(one.labels.items())) for one in found}
            if len(labels) > 1:
                raise SourceError(self.url, Fault.TOO_MANY, _too_many(sorted(labels)))
            for one in found:
                _place(one, values, first=first, step_s=step_s)
        return values

    def _too_slow(self) -> str:
        return f"no answer within {self._deadline_s:g} s: ask for fewer days, for a recording rule, or set a later deadline"


def _place(found: "Found", values: np.ndarray, *, first: int, step_s: int) -> None:
    """Write a series' points into *values*; what cannot be a load (NaN, infinite, negative) is a gap."""
    for at, text in found.points:
        # The bucket that ends at this time, or that holds it where a server has its own grid.
        index = math.ceil(at / step_s) - 1 - first
        if 0 <= index < len(values):
            value = float(text)
            values[index] = value if math.isfinite(value) and value >= 0 else np.nan


def _slots(start_s: int, end_s: int, step_s: int) -> tuple[int, int]:
    """Return the first whole bucket, and the one after the last. Raises `InputError` for a step that is none."""
    Spec(step_s=step_s)
    first, last = -(-start_s // step_s), end_s // step_s
    if last < first:
        raise InputError(f"no bucket of {step_s} s lies between {start_s} and {end_s}")
    return first, last


def _too_many(labels: Sequence[tuple[tuple[str, str], ...]]) -> str:
    names = ["{" + ", ".join(f'{name}="{value}"' for name, value in each) + "}" for each in labels[:_NAMED]]
    return f"the query gives more than one series, such as {' and '.join(names)}: make one of them, as with sum(...)"


def address(url: str) -> str:
    """Return *url* without a slash at its end. Raise `ValueError` for what is no address of a Prometheus."""
    if not _BASE_URL.fullmatch(url):
        raise ValueError(f"the URL must be http(s)://host[:port][/prefix], without a user, a password or parameters: {_bare(url)}")
    return url.rstrip("/")


def _bare(url: str) -> str:
    """Return *url* without what could be a password."""
    return re.sub(r"//[^/]*@", "//…@", url.partition("?")[0])
