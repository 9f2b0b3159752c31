"""Who of several replicas steers: the holder of a Lease, by client-go's rules.

Clocks of different machines are never compared. A candidate takes the lease over when it has seen it unchanged for its whole
duration by its own monotonic clock, and the holder stops well before that, counted from the moment it *sent* its last renewal.
Every write carries the resourceVersion that it rests on. So no two hold it at once, whatever the API server and the wall clocks do.

The package's own ``kubernetes.aio.leaderelection`` is not used: it measures by the wall clock, knows neither a release nor a
time-out of its requests, and ends on the first error of the transport.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from adapter.errors import ApiServerError
from autoscaler.cluster.requests import JSON, MERGE_PATCH, Requests
from autoscaler.resource.scaler import MANAGER

log = structlog.get_logger(__name__)

_NEVER = float("-inf")
_RELEASE_S = 2.0  # at most, for the last request: whoever stops has a deadline of its own
_RELEASED_S = 1  # the duration of a lease that was given up, as client-go writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Seconds, with client-go's defaults."""

    lease_s: int = 15
    """How long others wait after the last renewal that they saw."""

    renew_deadline_s: float = 10.0
    """How long after our last renewal we stop; the rest of the lease is for what is still under way."""

    retry_s: float = 2.0
    """How often the holder renews and a candidate looks."""

    request_s: float = 3.0
    """How long one request may take. A renewal is two: it reads what it rests on."""

    def __post_init__(self) -> None:
        if not self.lease_s > self.renew_deadline_s >= self.retry_s + 2 * self.request_s:
            raise ValueError(
                f"lease {self.lease_s}s, deadline {self.renew_deadline_s:g}s, retry {self.retry_s:g}s, request {self.request_s:g}s:"
                " a lease is longer than its deadline, and that is no shorter than one retry with its two requests"
            )


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _Spec(msgspec.Struct, rename="camel", frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = _Spec()


_LEASE = msgspec.json.Decoder(_Lease)


class Leadership:
    """One candidate for the Lease *namespace*/*name*. *identity* names it to people; a name that is used twice does no harm."""

    def __init__(
        self,
        kube: Requests,
        namespace: str,
        name: str,
        identity: str,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.identity = identity
        self.leader = ""  # as last seen
        self.transitions = 0  # how often the lease has changed hands, as last seen
        self._kube = kube
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._timing = timing or Timing()
        self._clock = clock  # Unix seconds, for people only
        self._jitter = jitter  # 0..1
        self._seen: _Spec | None = None
        self._seen_at = _NEVER  # since when it is unchanged, by the loop's clock
        self._claim: tuple[str, int] | None = None  # by which we know our own writing: when acquired, which transition
        self._held_until = _NEVER
        self._trouble = ""

    def holds(self, now: float | None = None) -> bool:
        """Return whether we may write at *now*, in the event loop's seconds (its present ones when left out)."""
        return (asyncio.get_running_loop().time() if now is None else now) < self._held_until

    async def run(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run *lead* whenever we hold the lease, and cancel it before anybody else can; return when it ends by itself.

        What *lead* raises is raised here. A cancelled `run` cancels *lead*, keeps the lease until *lead* has ended, and releases
        it. Nothing is raised because of the API server: it is asked again.
        """
        ended = False
        while not ended:
            await self._acquire()
            try:
                ended = await self._lead(lead)
            finally:
                await self._release()

    async def _acquire(self) -> None:
        while not await self._tried(candidate=True):  # noqa: ASYNC110 - what is waited for is another process' doing
            await asyncio.sleep(self._patience_s())
        log.info("lease acquired", identity=self.identity, transitions=self.transitions)

    def _patience_s(self) -> float:
        """Return how long a candidate waits: a retry, or less where the lease runs out sooner, and some more by chance."""
        retry_s = self._timing.retry_s
        left = self._seen_at + self._lasts_s() - asyncio.get_running_loop().time()
        return (min(retry_s, left) if left > 0.0 else retry_s) + 0.1 * retry_s * self._jitter()

    async def _lead(self, lead: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Run *lead* until it ends (True) or the lease is lost (False)."""
        work = asyncio.create_task(lead(), name="leading")
        renewing = asyncio.create_task(self._renew(), name="lease renewal")
        ended = False
        try:
            await asyncio.wait({work, renewing}, return_when=asyncio.FIRST_COMPLETED)
            ended = work.done()
        finally:
            try:
                await _stopped(work)
            finally:
                await _stopped(renewing)  # not before: what *lead* still has to write, it writes as the holder
        for task in (renewing, work):
            if not task.cancelled():
                task.result()
        return ended

    async def _renew(self) -> None:
        """Keep the lease; return when it is lost."""
        while True:
            try:
                async with asyncio.timeout_at(self._held_until):
                    await asyncio.sleep(self._timing.retry_s)
                    kept = await self._tried(candidate=False)
            except TimeoutError:
                log.error("lease lost: not renewed in time", identity=self.identity, error=self._trouble)
                return
            if not kept and not self._trouble:
                self._held_until = _NEVER  # whoever took it may write from now on
                log.error("lease lost: taken away", identity=self.identity, leader=self.leader)
                return

    async def _tried(self, *, candidate: bool) -> bool:
        """Look, then renew, or acquire as a *candidate*; return whether the lease is ours. `_trouble` says what went wrong."""
        try:
            held, trouble = await self._step(candidate=candidate), ""
        except ApiServerError as exc:
            held, trouble = False, str(exc)
        if trouble and not self._trouble:
            log.warning("lease cannot be reached", identity=self.identity, error=trouble)
        self._trouble = trouble
        return held

    async def _step(self, *, candidate: bool) -> bool:
        for _ in range(2):
            version = await self._look()
            now = asyncio.get_running_loop().time()
            if not self._ours() and not (candidate and self._free(now)):
                return False
            try:
                await self._write(version)
            except ApiServerError as exc:
                if exc.status != HTTPStatus.CONFLICT:
                    raise
                continue  # somebody was faster; who, the next look says
            return True
        raise ApiServerError(HTTPStatus.CONFLICT, f"Lease {self._name} is being changed by others all the time")

    async def _look(self) -> str:
        """Take in what the lease says now; return its version, or nothing where there is none."""
        try:
            answer = await self._kube.request("GET", f"{self._collection}/{self._name}", timeout_s=self._timing.request_s)
        except ApiServerError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            self._observe(None)
            return ""
        return self._take(answer)

    def _take(self, answer: bytes) -> str:
        try:
            lease = _LEASE.decode(answer)
        except msgspec.DecodeError as exc:
            raise ApiServerError(0, f"Lease {self._name} cannot be read: {exc}") from exc
        self._observe(lease.spec)
        return lease.metadata.resource_version

    def _observe(self, spec: _Spec | None) -> None:
        if spec == self._seen:
            return
        self._seen, self._seen_at = spec, asyncio.get_running_loop().time()
        self.transitions = (spec.lease_transitions if spec else None) or 0
        leader = (spec.holder_identity if spec else None) or ""
        if leader != self.leader:
            log.info("leader seen", leader=leader, identity=self.identity)
            self.leader = leader

    def _ours(self) -> bool:
        """Return whether the lease is of our writing: the name alone may be that of a process that ran here before."""
        spec = self._seen
        if spec is None or spec.holder_identity != self.identity or spec.acquire_time is None:
            return False
        return self._claim == (spec.acquire_time, spec.lease_transitions or 0)

    def _free(self, now: float) -> bool:
        """Return whether the lease is there for the taking: released, never there, or unchanged for as long as it lasts.

        One that was deleted, or emptied without the signs of a release, still has a holder who has not noticed.
        """
        spec = self._seen
        if spec is not None and not spec.holder_identity and spec.lease_duration_seconds == _RELEASED_S:
            return True
        return now >= self._seen_at + self._lasts_s()

    def _lasts_s(self) -> float:
        """Return how long the lease lasts, never less than ours do: a short one written by hand would make two holders."""
        said = self._seen.lease_duration_seconds if self._seen else None
        return max(said or 0, self._timing.lease_s)

    async def _write(self, version: str) -> None:
        """Acquire or renew, on the *version* that was read. What is taken counts from the moment of sending."""
        moment = self._moment()
        if self._claim is None or not self._ours():
            self._claim = (moment, self.transitions + 1 if self._seen else 0)
        acquired, transitions = self._claim
        sent_at = asyncio.get_running_loop().time()
        answer = await self._send(
            version,
            holderIdentity=self.identity,
            leaseDurationSeconds=self._timing.lease_s,
            acquireTime=acquired,
            renewTime=moment,
            leaseTransitions=transitions,
        )
        self._take(answer)
        self._held_until = sent_at + self._timing.renew_deadline_s

    async def _send(self, version: str, **spec: object) -> bytes:
        request_s = self._timing.request_s
        if not version:
            metadata = {"name": self._name, "labels": {"app.kubernetes.io/name": self._name}}
            body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            query, language, method, path = {"fieldManager": MANAGER}, JSON, "POST", self._collection
        else:
            body = {"metadata": {"resourceVersion": version}, "spec": spec}
            query, language, method, path = {"fieldManager": MANAGER}, MERGE_PATCH, "PATCH", f"{self._collection}/{self._name}"
        return await self._kube.request(method, path, query=query, body=body, content_type=language, timeout_s=request_s)

    async def _release(self) -> None:
        """Give the lease up if it is ours; a candidate then takes it at its next look. Not released, it runs out."""
        held, self._held_until = self.holds(), _NEVER
        if not held:
            return
        try:
            async with asyncio.timeout(_RELEASE_S):
                for _ in range(2):  # a renewal that was cut short may still come through in between
                    version = await self._look()
                    if not self._ours():
                        return
                    try:
                        moment = self._moment()
                        answer = await self._send(version, holderIdentity=None, leaseDurationSeconds=_RELEASED_S, renewTime=moment)
                    except ApiServerError as exc:
                        if exc.status == HTTPStatus.CONFLICT:
                            continue
                        raise
                    self._take(answer)
                    log.info("lease released", identity=self.identity)
                    return
        except (ApiServerError, TimeoutError) as exc:
            log.warning("lease not released: it runs out by itself", identity=self.identity, error=str(exc) or "no answer in time")

    def _moment(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def _stopped(task: asyncio.Task[None]) -> None:
    """Cancel *task* and wait for its end, however it ends; who cancels us meanwhile is heard after it."""
    task.cancel()
    heard: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as exc:
            heard = exc
    if heard is not None:
        raise heard
