"""The metrics that decisions rest on, read in bulk: one request for a metric of all pods of a namespace, whoever scales on it.

Each metric has a task of its own, so that a slow or failing one delays no other. What is answered quickly is read often, what takes
long in proportion, and what fails ever more seldom.
"""

import asyncio
import dataclasses
import math
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import assert_never
from urllib.parse import quote

import msgspec

from adapter.errors import ApiServerError
from adapter.kube.watch import Reads
from autoscaler.cluster import answers
from autoscaler.cluster.answers import Answer, AnswerError
from autoscaler.cluster.discovery import Discovery
from autoscaler.decision.model import Source
from autoscaler.resource.scaler import Query

__all__ = ["Answer", "Metrics"]

_CUSTOM = "custom.metrics.k8s.io"
_EXTERNAL = "external.metrics.k8s.io"
_VERSIONS = {_CUSTOM: ("v1beta2", "v1beta1"), _EXTERNAL: ("v1beta1",)}  # that we read, the better one first

_EACH_S = 0.02  # of the time between two reads for each metric: however many there are, we read 50 a second at most
_DUTY = 5  # a read that takes a second is made every 5 s: at most a fifth of a provider's time is ours
_LONGEST_PAUSE_S = 15.0  # whatever happened: a value must not grow stale because one read was slow
_UNREAD = Answer(why="it has not been read yet", tried=False)
_NOT_WANTED = Answer(why="it is not read: no scaler asked for it")

Asked = tuple[str, Query]  # namespace, query


class _Version(msgspec.Struct, gc=False):
    version: str


class _Group(msgspec.Struct, gc=False):
    versions: list[_Version] | None = None


_GROUP = msgspec.json.Decoder(_Group)


@dataclass(slots=True)
class _Read:
    """What is known of one metric. *failures* counts those in a row."""

    answer: Answer = _UNREAD
    failures: int = 0
    took_s: float = math.inf
    task: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class Metrics:
    """The values of all metrics that are wanted. `run` ends only when cancelled.

    *on_read* is told after every read, good or bad, of which metric in which namespace.
    """

    kube: Reads
    pace_s: float = 1.0
    deadline_s: float = 5.0
    at_once: int = 16  # requests under way
    on_read: Callable[[str, str], object] = lambda _namespace, _metric: None
    jitter: Callable[[], float] = random.random  # 0..1
    _reads: dict[Asked, _Read] = field(default_factory=dict, init=False)
    _group: asyncio.TaskGroup | None = field(default=None, init=False)
    _gate: asyncio.Semaphore = field(init=False)
    _discovery: Discovery = field(init=False)
    _versions: dict[str, str] = field(default_factory=dict, init=False)  # that are served, by group

    def __post_init__(self) -> None:
        self._gate = asyncio.Semaphore(self.at_once)
        self._discovery = Discovery(self.kube)

    async def run(self) -> None:
        """Read what is wanted until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for asked, read in self._reads.items():
                    self._start(group, asked, read)
                await asyncio.Event().wait()  # the group has to outlive moments without any metric
        finally:
            self._group = None

    def wanted(self, wanted: Collection[Asked]) -> None:
        """Read *wanted* from now on, and nothing else; what was wanted before keeps its values."""
        for asked in self._reads.keys() - set(wanted):
            read = self._reads.pop(asked)
            if read.task is not None:
                read.task.cancel()
        for asked in wanted:
            if asked in self._reads:
                continue
            read = self._reads[asked] = _Read()
            if self._group is not None:
                self._start(self._group, asked, read)

    def answer(self, namespace: str, query: Query) -> Answer:
        """Return what *query* was answered last; of a Pods query that is about all pods of *namespace*."""
        read = self._reads.get((namespace, query))
        return read.answer if read is not None else _NOT_WANTED

    def _start(self, group: asyncio.TaskGroup, asked: Asked, read: _Read) -> None:
        namespace, query = asked
        read.task = group.create_task(self._keep_reading(namespace, query, read), name=f"read {query.metric} in {namespace}")

    async def _keep_reading(self, namespace: str, query: Query, read: _Read) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with self._gate:
                began = loop.time()
                await self._read(namespace, query, read)
                took_s = loop.time() - began
            self.on_read(namespace, query.metric)
            # By the quicker of the last two: one slow read is a provider that begins, or a moment's load.
            await asyncio.sleep(self._pause_s(min(took_s, read.took_s), read.failures))
            read.took_s = took_s

    def _pause_s(self, took_s: float, failures: int) -> float:
        """Return how long to wait until a metric is read again; not everything that fails together tries again together."""
        if not failures:
            return max(self.pace_s, min(_LONGEST_PAUSE_S, max(_DUTY * took_s, _EACH_S * len(self._reads))))
        full = min(_LONGEST_PAUSE_S, self.pace_s * 2.0 ** min(failures, 10))
        return full * (1.0 - self.jitter() / 4.0)

    async def _read(self, namespace: str, query: Query, read: _Read) -> None:
        """Ask once, and keep the answer or why there is none."""
        try:
            body = await self._ask(namespace, query)
            match query.source:
                case Source.PODS:
                    read.answer = answers.of_pods(body)
                case Source.OBJECT:
                    read.answer = answers.of_object(body)
                case Source.EXTERNAL:
                    read.answer = answers.of_external(body)
                case _:
                    assert_never(query.source)
        except (ApiServerError, AnswerError) as exc:
            read.failures += 1
            read.answer = dataclasses.replace(read.answer, why=_words(exc), tried=True)
        else:
            read.failures = 0

    async def _ask(self, namespace: str, query: Query) -> bytes:
        if query.source is Source.EXTERNAL:
            group, about, selector = _EXTERNAL, "", "labelSelector"
        else:
            group, about, selector = _CUSTOM, f"{await self._about(query)}/", "metricLabelSelector"
        path = f"/apis/{group}/{await self._version(group)}/namespaces/{namespace}/{about}{_segment(query.metric)}"
        sent = {selector: query.metric_selector} if query.metric_selector else {}
        try:
            return await self.kube.request("GET", path, query=sent, timeout_s=self.deadline_s)
        except ApiServerError as exc:
            if exc.status == HTTPStatus.NOT_FOUND:
                self._versions.pop(group, None)  # perhaps it is the version that is gone
            raise

    async def _about(self, query: Query) -> str:
        """Return the part of the path that says what the metric is about."""
        described = query.described
        if query.source is Source.PODS or described is None:
            return "pods/*"
        if (described.api_version, described.kind) == ("v1", "Namespace"):
            return "metrics"
        resource = await self._discovery.find(described.api_version, described.kind)
        if resource is None:
            raise AnswerError(f"the API server has no kind {described.kind} in {described.api_version}: correct describedObject")
        return f"{resource.qualified}/{_segment(described.name)}"

    async def _version(self, group: str) -> str:
        """Return the version to ask *group* in. Raises `ApiServerError` or `AnswerError` when there is none, or nobody can tell."""
        known = self._versions.get(group)
        if known is not None:
            return known
        try:
            body = await self.kube.request("GET", f"/apis/{group}", timeout_s=self.deadline_s)
        except ApiServerError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            raise AnswerError(f"nothing serves {group}: install leadtime's adapter with it, or another provider") from exc
        found = self._versions[group] = _best_version(group, body)
        return found


def _best_version(group: str, body: bytes) -> str:
    try:
        served = {each.version for each in _GROUP.decode(body).versions or ()}
    except msgspec.DecodeError as exc:
        raise AnswerError(f"/apis/{group}: what came is no API group: {exc}") from exc
    for version in _VERSIONS[group]:
        if version in served:
            return version
    raise AnswerError(f"{group} is served as {', '.join(sorted(served)) or 'nothing'}, and we read {' or '.join(_VERSIONS[group])}")


def _segment(text: str) -> str:
    return quote(text, safe=":")


def _words(exc: ApiServerError | AnswerError) -> str:
    """Return why a read failed: in the words of the metrics API, which name its source, where it has any."""
    if isinstance(exc, ApiServerError) and exc.status in (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE):
        return exc.detail
    return str(exc)
