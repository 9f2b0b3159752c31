"""Where the sandbox keeps its objects: one revision counter, one bounded event log for each resource, and listeners.

It knows no HTTP, no kinds and no clock. Objects in it are never changed in place: a write puts a new one, so a list is a
consistent snapshot for as long as anybody holds it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from autoscaler.sandbox.objects import Obj, name_of, namespace_of, owners_of, uid_of

Change = Literal["ADDED", "MODIFIED", "DELETED"]
Key = tuple[str, str, str]  # resource, namespace, name


@dataclass(frozen=True, slots=True)
class Event:
    """What one write did."""

    revision: int
    change: Change
    obj: Obj  # after the write; for a deletion the last state, at the revision of the deletion
    previous: Obj | None


Listener = Callable[[str, Event], None]  # is told the resource and what happened to it
EVERY = "*"


class CompactedError(Exception):
    """The events after `wanted` are not all there any more; the oldest revision to resume from is `oldest`."""

    def __init__(self, wanted: int, oldest: int) -> None:
        self.wanted = wanted
        self.oldest = oldest
        super().__init__(f"too old resource version: {wanted} ({oldest})")


class _Log:
    """The last *capacity* events of one resource."""

    def __init__(self, capacity: int, start: int) -> None:
        self.events: deque[Event] = deque()
        self.capacity = capacity
        self.compacted = start  # events up to this revision are not in the log

    def append(self, event: Event) -> None:
        self.events.append(event)
        while len(self.events) > self.capacity:
            self.compacted = self.events.popleft().revision

    def since(self, revision: int) -> list[Event]:
        if revision < self.compacted:
            raise CompactedError(revision, self.compacted)
        found: list[Event] = []
        for event in reversed(self.events):
            if event.revision <= revision:
                break
            found.append(event)
        found.reverse()
        return found


class Store:
    """Every object of a cluster. *history* is how many events of each resource a watch can go back."""

    def __init__(self, *, history: int = 8192) -> None:
        self.revision = 1
        self._history = history
        self._start = 0
        self._objects: dict[str, dict[str, dict[str, Obj]]] = {}
        self._logs: dict[str, _Log] = {}
        self._listeners: dict[str, list[Listener]] = {}
        self._dependents: dict[str, set[Key]] = {}
        self._uids: set[str] = set()

    def get(self, resource: str, namespace: str, name: str) -> Obj | None:
        """Return the object, or None."""
        return self._objects.get(resource, {}).get(namespace, {}).get(name)

    def objects(self, resource: str, namespace: str = "") -> list[Obj]:
        """Return the resource's objects ordered by namespace and name; an empty *namespace* means all of them."""
        spaces = self._objects.get(resource, {})
        wanted = [namespace] if namespace else sorted(spaces)
        return [spaces[space][name] for space in wanted if space in spaces for name in sorted(spaces[space])]

    def put(self, resource: str, obj: Obj) -> Obj:
        """Store *obj* under its name, at a new revision, and return what is now stored."""
        self.revision += 1
        stored = {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.revision)}}
        namespace, name = namespace_of(stored), name_of(stored)
        space = self._objects.setdefault(resource, {}).setdefault(namespace, {})
        previous = space.get(name)
        space[name] = stored
        self._uids.add(uid_of(stored))
        self._index(resource, previous, stored)
        self._emit(resource, Event(self.revision, "MODIFIED" if previous else "ADDED", stored, previous))
        return stored

    def remove(self, resource: str, namespace: str, name: str) -> Obj:
        """Take the object away and return its last state; KeyError when it is not there."""
        previous = self._objects[resource][namespace].pop(name)
        self.revision += 1
        last = {**previous, "metadata": {**previous["metadata"], "resourceVersion": str(self.revision)}}
        self._uids.discard(uid_of(previous))
        self._index(resource, previous, None)
        self._emit(resource, Event(self.revision, "DELETED", last, previous))
        return last

    def since(self, resource: str, revision: int) -> list[Event]:
        """Return the resource's events after *revision*; raise `CompactedError` when some of them are gone."""
        log = self._logs.get(resource)
        if log is None:
            if revision < self._start:
                raise CompactedError(revision, self._start)
            return []
        return log.since(revision)

    def compact(self) -> None:
        """Forget every event so far: a watch can resume from the present revision at the earliest."""
        self._start = self.revision
        for log in self._logs.values():
            log.events.clear()
            log.compacted = self.revision

    def subscribe(self, resource: str, listener: Listener) -> Callable[[], None]:
        """Call *listener* after every write to *resource* (`EVERY`: to any), until the function that is returned is called."""
        listeners = self._listeners.setdefault(resource, [])
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def dependents(self, uid: str) -> list[Key]:
        """Return the keys of the objects that name *uid* as an owner."""
        return sorted(self._dependents.get(uid, ()))

    def has_uid(self, uid: str) -> bool:
        """Return whether an object with that uid is there."""
        return uid in self._uids

    def _emit(self, resource: str, event: Event) -> None:
        self._logs.setdefault(resource, _Log(self._history, self._start)).append(event)
        for listener in (*self._listeners.get(resource, ()), *self._listeners.get(EVERY, ())):
            listener(resource, event)

    def _index(self, resource: str, before: Obj | None, after: Obj | None) -> None:
        was = {owner["uid"] for owner in owners_of(before)} if before else set()
        now = {owner["uid"] for owner in owners_of(after)} if after else set()
        some = after or before
        if some is None or was == now:
            return
        key = (resource, namespace_of(some), name_of(some))
        for uid in was - now:
            self._dependents[uid].discard(key)
            if not self._dependents[uid]:
                del self._dependents[uid]
        for uid in now - was:
            self._dependents.setdefault(uid, set()).add(key)
