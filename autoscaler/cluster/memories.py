"""What the decisions remember, kept in the cluster: a few ConfigMaps in our own namespace, with one entry for each scaler.

What changes is collected and written every second or so. What must not be lost, such as the number that is about to be asked for,
is written ahead: `Memories.save_now`. An entry that cannot be read is reported and counts as absent, and then nothing is scaled
down for a while; the entries beside it stay good.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec
import structlog

from adapter.errors import ApiServerError
from adapter.kube.watch import METADATA
from autoscaler.cluster.requests import JSON, MERGE_PATCH, Requests
from autoscaler.decision.model import Memory
from autoscaler.decision.startup import Learned
from autoscaler.errors import AutoscalerError
from autoscaler.resource.scaler import MANAGER, Key

log = structlog.get_logger(__name__)

#: The present form of an entry.
VERSION = 1
#: A ConfigMap takes 1 MiB with its metadata.
LIMIT_BYTES = 900 * 1024

_FLUSH_S = 1.0
_LONGEST_FLUSH_S = 30.0  # while the API server takes nothing
_APART_S = 0.5  # between two writes of one ConfigMap: who comes meanwhile shares the second, and one alone never waits
_READ_S = 10.0
_WRITE_S = 5.0
_AT_ONCE = 8
_ATTEMPTS = 3
_LONGEST_NAME = 253  # that an entry of a ConfigMap can have


class StorageError(AutoscalerError):
    """A scaler's memory is not kept; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What is kept of one scaler."""

    memory: Memory = field(default_factory=Memory)
    startup: Learned = field(default_factory=Learned)


class _Version(msgspec.Struct):
    version: int = 0


class _Entry(msgspec.Struct):
    memory: Memory = msgspec.field(default_factory=Memory)
    startup: Learned = msgspec.field(default_factory=Learned)


class _Metadata(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class _ConfigMap(msgspec.Struct):
    metadata: _Metadata
    data: dict[str, str] | None = None


_VERSION = msgspec.json.Decoder(_Version)
_ENTRY = msgspec.json.Decoder(_Entry)
_CONFIG_MAP = msgspec.json.Decoder(_ConfigMap)


def encode(stored: Stored) -> str:
    """Return *stored* as an entry, without what is as it would be anyway."""
    document = {"version": VERSION, **_lean(msgspec.to_builtins(stored))}
    return msgspec.json.encode(document).decode()


def decode(text: str) -> Stored:
    """Return what an entry says. Raises `StorageError` when somebody has made it something else."""
    try:
        version = _VERSION.decode(text).version
        if version != VERSION:
            raise StorageError(f"is of version {version}, and this controller reads version {VERSION}")
        entry = _ENTRY.decode(text)
    except msgspec.DecodeError as exc:
        raise StorageError(f"cannot be read: {exc}") from exc
    return Stored(memory=entry.memory, startup=entry.startup)


def _lean(value: Any) -> Any:
    """Return *value* without fields that are null or empty: their defaults are."""
    if isinstance(value, dict):
        return {name: _lean(each) for name, each in value.items() if each is not None and each != () and each != ""}
    if isinstance(value, tuple):
        return [_lean(each) for each in value]
    return value


@dataclass(slots=True, eq=False, kw_only=True)
class _Shard:
    """One ConfigMap as it was seen last, and what is to be written into it."""

    name: str
    version: str = ""  # empty: there is none
    texts: dict[str, tuple[int, int]] = field(default_factory=dict)  # size and hash of each entry, anybody's
    dirty: set[str] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    changes: int = 0  # numbers every change that is to be written
    saved: int = 0  # up to which change all is written
    attempts: int = 0
    tried_at: float = float("-inf")  # the loop's time
    failed: int = 0  # up to which change the last failure would have written
    error: ApiServerError | None = None

    def take(self, data: Mapping[str, str]) -> None:
        self.texts = {name: _fingerprint(name, text) for name, text in data.items()}

    def size(self) -> int:
        return sum(size for size, _ in self.texts.values())


def _fingerprint(name: str, text: str) -> tuple[int, int]:
    return len(name.encode()) + len(text.encode()), hash(text)


class Memories:
    """Every scaler's memory. Call `load` when leading begins, `run` beside the work, and `flush` before it ends.

    *may_write* is asked before each write: who leads no longer must not overwrite what the next leader remembers.
    """

    def __init__(
        self,
        kube: Requests,
        namespace: str,
        *,
        shards: int = 64,
        prefix: str = "leadtime-memory",
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self.problems: dict[str, str] = {}  # by entry (``NAMESPACE.NAME``): why it is not kept, or was not read
        self._kube = kube
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._may_write = may_write
        self._shards = [_Shard(name=f"{prefix}-{number}") for number in range(shards)]
        self._entries: dict[str, Stored] = {}
        self._changed = asyncio.Event()

    async def load(self) -> None:
        """Read everything there is, and forget what was here. Raises `ApiServerError` unless all of it could be asked for."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def read(shard: _Shard) -> Mapping[str, str]:
            async with gate:
                return await self._read(shard)

        found = await asyncio.gather(*(read(shard) for shard in self._shards))
        self.problems.clear()
        self._entries.clear()
        for shard in self._shards:
            shard.dirty.clear()
        for shard, data in zip(self._shards, found, strict=True):
            self._adopt(shard, data)
        if self.problems:
            log.error("memories not readable", count=len(self.problems), entries=sorted(self.problems)[:10])

    def get(self, key: Key) -> Stored | None:
        """Return what is remembered of *key*; None where there is nothing, or nothing that can be read."""
        return self._entries.get(entry_name(key))

    def put(self, key: Key, stored: Stored) -> None:
        """Remember *stored*; it is written within a second or two."""
        name = entry_name(key)
        self._entries[name] = stored
        self._mark(self._home(name), name)

    def drop(self, key: Key) -> None:
        """Forget *key*."""
        name = entry_name(key)
        self._entries.pop(name, None)
        self.problems.pop(name, None)
        if name in self._home(name).texts:
            self._mark(self._home(name), name)

    def keep(self, keys: Collection[Key]) -> None:
        """Forget every scaler but *keys*, and what could not be read of the others."""
        wanted = {entry_name(key) for key in keys}
        for shard in self._shards:
            for name in shard.texts.keys() - wanted:
                self._mark(shard, name)
        for name in self._entries.keys() - wanted:
            del self._entries[name]
        for name in self.problems.keys() - wanted:
            del self.problems[name]

    async def save_now(self, key: Key) -> None:
        """Return once what was `put` of *key* is written; whoever calls meanwhile for the same shard shares one write.

        Raises `ApiServerError` when the write fails (it is tried again later by itself), `StorageError` when it cannot be.
        """
        name = entry_name(key)
        await self._save(self._home(name))
        if name in self.problems:
            raise StorageError(f"memory of {key} is not kept: it {self.problems[name]}")

    async def flush(self) -> tuple[str, ...]:
        """Write everything that is due, and return what could not be written, in words."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(shard: _Shard) -> str:
            async with gate:
                try:
                    await self._save(shard)
                except (ApiServerError, StorageError) as exc:
                    return f"ConfigMap {shard.name}: {exc}"
            return ""

        found = await asyncio.gather(*(one(shard) for shard in self._shards if shard.dirty))
        return tuple(filter(None, found))

    async def run(self) -> None:
        """Write what is due every second, less often while that fails, until cancelled."""
        pause_s = _FLUSH_S
        while True:
            await self._changed.wait()
            await asyncio.sleep(pause_s)
            self._changed.clear()
            if failed := await self.flush():
                log.warning("memories not written", count=len(failed), first=failed[0], retry_in_s=pause_s)
                pause_s = min(_LONGEST_FLUSH_S, 2.0 * pause_s)
                self._changed.set()
            else:
                pause_s = _FLUSH_S

    def _mark(self, shard: _Shard, name: str) -> None:
        shard.dirty.add(name)
        shard.changes += 1
        self._changed.set()

    def _home(self, name: str) -> _Shard:
        return self._shards[zlib.crc32(name.encode()) % len(self._shards)]

    def _adopt(self, shard: _Shard, data: Mapping[str, str]) -> None:
        """Take in one shard's entries. One that belongs elsewhere, as when there were fewer shards, moves there."""
        for name, text in data.items():
            home = self._home(name)
            if home is not shard:
                self._mark(shard, name)
                if name in home.texts or name in self._entries:
                    continue
                self._mark(home, name)
            try:
                self._entries[name] = decode(text)
            except StorageError as exc:
                self.problems[name] = str(exc)

    async def _read(self, shard: _Shard) -> Mapping[str, str]:
        try:
            answer = await self._kube.request("GET", f"{self._path}/{shard.name}", timeout_s=_READ_S)
        except ApiServerError as exc:
            if exc.status != HTTPStatus.NOT_FOUND:
                raise
            shard.version, shard.texts = "", {}
            return {}
        try:
            found = _CONFIG_MAP.decode(answer)
        except msgspec.DecodeError as exc:
            raise ApiServerError(0, f"ConfigMap {shard.name} cannot be read: {exc}") from exc
        data = found.data or {}
        shard.version = found.metadata.resource_version
        shard.take(data)
        return data

    async def _save(self, shard: _Shard) -> None:
        wanted, attempts = shard.changes, shard.attempts
        async with shard.lock:
            if shard.saved >= wanted:
                return
            if shard.error is not None and shard.attempts > attempts and shard.failed >= wanted:
                raise ApiServerError(shard.error.status, shard.error.detail)  # what we waited for was just tried, in vain
            await self._apart(shard)
            covered, due = shard.changes, shard.dirty
            shard.dirty = set()
            shard.attempts += 1
            try:
                await self._write(shard, due)
            except BaseException as exc:
                shard.dirty |= due
                if isinstance(exc, ApiServerError):
                    shard.failed, shard.error = covered, exc
                self._changed.set()
                raise
            shard.saved = covered

    async def _apart(self, shard: _Shard) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, shard.tried_at + _APART_S - loop.time()))
        shard.tried_at = loop.time()

    async def _write(self, shard: _Shard, due: Collection[str]) -> None:
        for _ in range(_ATTEMPTS):
            if not self._may_write():
                raise StorageError("this replica leads no longer, and writes nothing")
            changes = self._changes(shard, due if shard.version else self._all_of(shard))
            if not changes:
                return
            try:
                answer = await self._send(shard, changes)
            except ApiServerError as exc:
                if exc.status not in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                    raise
                await self._read(shard)  # what others wrote beside ours stays
                continue
            self._written(shard, changes, answer)
            return
        raise ApiServerError(HTTPStatus.CONFLICT, f"ConfigMap {shard.name} is being changed by others all the time")

    def _all_of(self, shard: _Shard) -> Collection[str]:
        return [name for name in self._entries if self._home(name) is shard]

    def _changes(self, shard: _Shard, names: Collection[str]) -> dict[str, str | None]:
        """Return what is to be written of *names*: the new text, or None to take an entry away. What would be too much is not."""
        changes: dict[str, str | None] = {}
        size = shard.size()
        for name in names:
            before, home, stored = shard.texts.get(name), self._home(name), self._entries.get(name)
            if stored is not None and home is not shard and name not in home.texts:
                self._mark(shard, name)  # it moves: not before it has arrived
                continue
            if stored is None or home is not shard:
                if before is not None:
                    changes[name] = None
                    size -= before[0]
                continue
            text = encode(stored)
            after = _fingerprint(name, text)
            grown = size + after[0] - (before[0] if before else 0)
            if after == before:
                self.problems.pop(name, None)
            elif grown > LIMIT_BYTES:
                self.problems[name] = (
                    f"would make ConfigMap {shard.name} larger than {LIMIT_BYTES >> 10} KiB: divide the namespaces among several"
                    " controllers (--watch-namespace)"
                )
            else:
                changes[name] = text
                size = grown
        return changes

    async def _send(self, shard: _Shard, changes: Mapping[str, str | None]) -> bytes:
        """Write *changes*, on the version that was seen."""
        if shard.version:
            method, path, language = "PATCH", f"{self._path}/{shard.name}", MERGE_PATCH
            body: dict[str, object] = {"metadata": {"resourceVersion": shard.version}, "data": changes}
        else:
            method, path, language = "POST", self._path, JSON
            labels = {"app.kubernetes.io/name": "leadtime-autoscaler", "app.kubernetes.io/component": "memory"}
            metadata = {"name": shard.name, "labels": labels}
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": changes}
        query = {"fieldManager": MANAGER}
        return await self._kube.request(
            method, path, query=query, body=body, content_type=language, accept=METADATA, timeout_s=_WRITE_S
        )

    def _written(self, shard: _Shard, changes: Mapping[str, str | None], answer: bytes) -> None:
        try:
            shard.version = _CONFIG_MAP.decode(answer).metadata.resource_version
        except msgspec.DecodeError as exc:
            raise ApiServerError(0, f"ConfigMap {shard.name} cannot be read: {exc}") from exc
        for name, text in changes.items():
            if text is None:
                shard.texts.pop(name, None)
            else:
                shard.texts[name] = _fingerprint(name, text)
                self.problems.pop(name, None)


def entry_name(key: Key) -> str:
    """Return the name of *key*'s entry: ``NAMESPACE.NAME``, which is unique because a namespace has no dot in it."""
    name = f"{key.namespace}.{key.name}"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{key.namespace}.{hashlib.sha256(key.name.encode()).hexdigest()}"
