"""Read exposition pages directly: reaction within seconds, and no Prometheus needed.

Targets are read concurrently, each with its own deadline; one that does not answer is reported and does not delay the others.
Pages are read one per turn of the event loop, so that readers of the API are answered in between.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from adapter.errors import Fault, SourceError
from adapter.metric import Row
from adapter.rules.model import Selection
from adapter.sources import Batch, Wanted, transport
from adapter.sources.credentials import Access, Auth, Credentials, Tls
from adapter.sources.exposition import ExpositionError
from adapter.sources.pages import Reader, Tally
from adapter.sources.targets import Target, Targets

#: Larger pages are read in a thread: 256 KiB of wanted lines take about 5 ms.
_THREAD_BYTES = 256 * 1024
_ACCEPT = "text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1"
_OPENMETRICS = "application/openmetrics-text"
_MEDIA_TYPES = frozenset({"", "text/plain", "application/octet-stream", _OPENMETRICS})


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeSettings:
    """How often pages are read, how long that may take, and how much is taken from one."""

    # How long after the start of one collection the next one starts.
    interval_s: float = 5.0
    # How long one target may take from connecting to the last byte.
    timeout_s: float = 3.0
    # Targets that are read at a time. Their answers arrive together, and the event loop takes them in one turn: with 64 that
    # is 20 ms in which no read is answered.
    concurrency: int = 16
    # The largest page, decompressed; an inference server's has 50 KB, a node's of 8 GPUs 100 KB.
    max_body_bytes: int = 4 * 2**20
    # A selection that brings more series, over all targets, is refused.
    max_series: int = 100_000
    # The same for every target.
    auth: Auth = field(default_factory=Auth)
    tls: Tls = field(default_factory=Tls)

    def __post_init__(self) -> None:
        if min(self.interval_s, self.timeout_s) <= 0:
            raise ValueError(f"interval_s {self.interval_s} and timeout_s {self.timeout_s} must be longer than zero")
        if min(self.concurrency, self.max_series, self.max_body_bytes) < 1:
            raise ValueError("concurrency, max_series and max_body_bytes must be at least 1")


class ScrapeSource:
    """A set of targets, by the name that rules use for it."""

    def __init__(self, name: str, settings: ScrapeSettings, targets: Targets) -> None:
        self.name = name
        self.settings = settings
        self._targets = targets
        self._credentials = Credentials(name, settings.auth, settings.tls)
        self._readers: dict[Target, Reader] = {}
        self._failed: set[Target] = set()
        self._session: aiohttp.ClientSession | None = None

    @property
    def interval_s(self) -> float:
        """Return how long after the start of one collection the next one starts."""
        return self.settings.interval_s

    async def collect(self, wanted: Sequence[Wanted], *, now: float) -> Batch:
        """Return every wanted selection's rows; each selection stands in *wanted* once.

        It ends within the time-out, or within the interval when that is longer and there are more targets than `concurrency`.
        What a target has counted is kept over pages that it fails to give.
        """
        started = asyncio.get_running_loop().time()
        rows: dict[Selection, Sequence[Row] | SourceError] = {}
        named: list[Wanted] = []
        for want in wanted:
            if want.selection.promql:
                detail = "a PromQL expression needs a Prometheus source, and this one reads pages"
                rows[want.selection] = SourceError(self.name, Fault.REJECTED, detail)
            else:
                named.append(want)
        self._readers = {target: self._readers.get(target) or Reader(target) for target in self._targets()}
        down: dict[Target, SourceError] = {}
        if named:
            found, down = await self._read_all(named, now=now, started=started)
            rows |= found
        took_s = asyncio.get_running_loop().time() - started
        return Batch(
            source=self.name,
            at=now + took_s,
            took_s=took_s,
            rows=rows,
            down={target.name: error for target, error in down.items()},
        )

    async def close(self) -> None:
        """Release connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _read_all(
        self, wanted: Sequence[Wanted], *, now: float, started: float
    ) -> tuple[Mapping[Selection, Sequence[Row] | SourceError], dict[Target, SourceError]]:
        try:
            https = any(target.url.startswith("https:") for target in self._readers)
            access = await asyncio.to_thread(self._credentials.read, https=https)
        except SourceError as error:
            return {want.selection: error for want in wanted}, {}
        if self._session is None:
            self._session = transport.session(self.settings.concurrency, keepalive_s=2 * self.settings.interval_s)
        # What did not answer last time is asked last, so that it cannot keep the others waiting for their turn.
        queue = sorted(self._readers.values(), key=lambda reader: reader.target in self._failed)
        pass_ = _Pass(self.name, self.settings, self._session, access, Tally(wanted), now - started)
        async with asyncio.TaskGroup() as group:
            waiting = iter(queue)
            deadline = started + max(self.settings.timeout_s, self.settings.interval_s)
            for number in range(min(self.settings.concurrency, len(queue))):
                group.create_task(pass_.work(waiting, deadline), name=f"scrape {self.name} {number}")
        # One whose turn never came has shown nothing new.
        self._failed = (self._failed & pass_.overtaken) | (pass_.silent.keys() - pass_.overtaken)
        if queue and len(pass_.silent) == len(queue):
            return dict.fromkeys((want.selection for want in wanted), self._all_down(pass_.silent)), pass_.silent
        return await self._finished(pass_.tally), pass_.silent | pass_.broken

    async def _finished(self, tally: Tally) -> dict[Selection, Sequence[Row] | SourceError]:
        for _ in tally.settle():
            await asyncio.sleep(0)
        finished: dict[Selection, Sequence[Row] | SourceError] = dict(tally.rows)
        for selection, rows in tally.rows.items():
            if len(rows) > self.settings.max_series:
                detail = f"{len(rows)} series, and max_series is {self.settings.max_series}: select fewer, or raise it"
                finished[selection] = SourceError(self.name, Fault.TOO_MANY, detail)
        return finished

    def _all_down(self, errors: Mapping[Target, SourceError]) -> SourceError:
        """Return the commonest failure in the name of all; the same failures always make the same message."""
        counts = Counter(error.fault for error in errors.values())
        fault = max(counts, key=lambda fault: (counts[fault], fault.value))
        example = min(error.detail for error in errors.values() if error.fault is fault)
        return SourceError(self.name, fault, f"{counts[fault]} of {len(errors)} targets: {example}")


class _Pass:
    """One collection under way."""

    def __init__(
        self,
        source: str,
        settings: ScrapeSettings,
        session: aiohttp.ClientSession,
        access: Access,
        tally: Tally,
        epoch: float,
    ) -> None:
        self.tally = tally
        self.silent: dict[Target, SourceError] = {}  # gave no page
        self.broken: dict[Target, SourceError] = {}  # gave a page of which a part cannot be read
        self.overtaken: set[Target] = set()  # of the silent ones: those that had less than half of the time-out
        self._source = source
        self._settings = settings
        self._session = session
        self._access = access
        self._epoch = epoch  # Unix seconds at the event loop's time zero
        self._turn = asyncio.Lock()

    async def work(self, waiting: Iterator[Reader], deadline: float) -> None:
        """Read one target after the other until none is waiting; those that *deadline* overtakes are late."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        for reader in waiting:
            target = reader.target
            await self._next_turn()
            started = loop.time()
            try:
                async with asyncio.timeout_at(min(deadline, started + settings.timeout_s)):
                    media_type, body = await self._get(target)
                await self._read(reader, media_type, body, at=self._epoch + started)
            except SourceError as error:
                self.silent[target] = error
            except ExpositionError as error:
                self.silent[target] = self._error(target, Fault.PARSE, str(error))
            except (TimeoutError, OSError, aiohttp.ClientError, transport.BodyTooLargeError) as error:
                fault, detail = transport.fault_of(
                    error, timeout_s=settings.timeout_s, max_bytes=settings.max_body_bytes, https=target.url.startswith("https:")
                )
                if fault is Fault.TIMEOUT and deadline - started < settings.timeout_s / 2:
                    self.overtaken.add(target)
                    detail = "its turn came too late: raise the interval or the concurrency, or give fewer targets"
                self.silent[target] = self._error(target, fault, detail)

    async def _get(self, target: Target) -> tuple[str, bytes]:
        access = self._access
        https = target.url.startswith("https:")
        async with self._session.get(
            target.url,
            headers={**access.headers, "Accept": _ACCEPT},
            ssl=access.context if https and access.context is not None else True,
            server_hostname=access.server_name if https else None,
            allow_redirects=False,
        ) as response:
            if response.status != 200:
                fault = transport.refusal(response.status)
                raise self._error(target, fault, f"answered {response.status} at {response.url.path}")
            media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if media_type not in _MEDIA_TYPES:
                raise self._error(target, Fault.PARSE, f"answered {media_type[:40]}, which is no exposition page")
            return media_type, await transport.read_body(response, self._settings.max_body_bytes)

    async def _read(self, reader: Reader, media_type: str, body: bytes, *, at: float) -> None:
        openmetrics = media_type == _OPENMETRICS
        if len(body) > _THREAD_BYTES:
            # The lock: a tally takes one page at a time.
            async with self._turn:
                problems = await asyncio.to_thread(reader.read, body, self.tally, at=at, openmetrics=openmetrics)
        else:
            await self._next_turn()
            problems = reader.read(body, self.tally, at=at, openmetrics=openmetrics)
        if problems:
            detail = f"{len(problems)} wanted lines cannot be read, the first is {problems[0]}"
            self.broken[reader.target] = self._error(reader.target, Fault.PARSE, detail)

    async def _next_turn(self) -> None:
        """Wait for a turn of the event loop of one's own: what 64 tasks do at once would hold up everybody else."""
        async with self._turn:
            await asyncio.sleep(0)

    def _error(self, target: Target, fault: Fault, detail: str) -> SourceError:
        return SourceError(self._source, fault, f"{target.name}: {detail}")
