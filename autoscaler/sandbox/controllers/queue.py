"""The loop that every controller is: keys of objects to look at, now or later, and a function that looks."""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from autoscaler.sandbox import faults
from autoscaler.sandbox.objects import name_of, namespace_of
from autoscaler.sandbox.store import Event, Key, Store

_RETRY_S = 0.5
_BATCH = 50  # keys between two looks at the network

_log = structlog.get_logger(__name__)


def key_of(resource: str, event: Event) -> list[Key]:
    """Return the key of the object that *event* is about."""
    return [(resource, namespace_of(event.obj), name_of(event.obj))]


class Queue:
    """Calls *reconcile* for every key that is added, never twice at once; what it returns is in how many seconds to look again.

    *reconcile* does not wait for anything: within it the store stands still.
    """

    def __init__(self, name: str, store: Store, reconcile: Callable[[Key], float | None]) -> None:
        self.name = name
        self._store = store
        self._reconcile = reconcile
        self._keys: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._woken = asyncio.Event()

    def add(self, key: Key) -> None:
        """Look at *key* soon."""
        self._keys[key] = None
        self._woken.set()

    def follow(self, resource: str, keys: Callable[[str, Event], Iterable[Key]] = key_of) -> None:
        """Look at the *keys* of every event on *resource* from now on, and at every object of it that is there."""

        def note(changed: str, event: Event) -> None:
            for key in keys(changed, event):
                self.add(key)

        self._store.subscribe(resource, note)
        for obj in self._store.objects(resource):
            note(resource, Event(self._store.revision, "ADDED", obj, None))

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._woken.wait()
                self._woken.clear()
                keys, self._keys = self._keys, {}
                for position, key in enumerate(keys):
                    again_s = self._look(key)
                    if again_s is not None:
                        self._later(loop, key, again_s)
                    if position % _BATCH == _BATCH - 1:
                        await asyncio.sleep(0)
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _look(self, key: Key) -> float | None:
        try:
            return self._reconcile(key)
        except faults.ApiError as error:  # such as a namespace that is going away
            _log.info("will be tried again", controller=self.name, key="/".join(key), why=error.message)
            return _RETRY_S

    def _later(self, loop: asyncio.AbstractEventLoop, key: Key, delay_s: float) -> None:
        pending = self._timers.get(key)
        if pending is not None:
            pending.cancel()

        def due() -> None:
            self._timers.pop(key, None)
            self.add(key)

        self._timers[key] = loop.call_later(max(0.0, delay_s), due)
