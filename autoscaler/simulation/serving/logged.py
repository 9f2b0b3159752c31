"""A service in which every request of a log goes its own way: router, queue, prefill, tokens. Time goes from event to event."""

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from typing import assert_never

import numpy as np

from autoscaler.simulation import service, workload, world
from autoscaler.simulation.serving import classic, llm
from autoscaler.simulation.serving import ledger as ledgers
from autoscaler.simulation.serving import router as routers
from autoscaler.simulation.serving.engine import NEVER, Engine, Request

_IDLE = service.Gauges(waiting=0.0, running=0.0, kv_ratio=0.0, busy_s=0.0)
_NOBODY = Request(at=NEVER, prompt_tokens=0, output_tokens=0)
"""Comes after the last."""


class RequestService:
    """`service.Service` for a log of requests.

    Events at the same moment happen in this order: engines (by the number of their pod), clients that give up, the router's look,
    arrivals. *rng* is for service times that are chance, each drawn with its request, so that policies meet the same ones.
    """

    def __init__(self, requests: workload.Requests, world: world.World, *, holds: bool, rng: np.random.Generator) -> None:
        self._world = world
        self._ledger = ledgers.Ledger(world.slo)
        self._router = routers.Router(world.router, holds=holds)
        self._engines: dict[int, Engine] = {}
        self._agenda: list[tuple[float, int]] = []  # a heap: when, which pod; outdated where its engine is due at another time
        self._coming = _each(requests, world.engine, rng)
        self._next = next(self._coming)
        self._impatient: deque[Request] = deque()  # in the order in which they give up, and some that have been answered
        self._now = 0.0

    @property
    def tally(self) -> service.Tally:
        """What has become of the requests up to now."""
        return self._ledger.tally

    @property
    def arrived(self) -> float:
        """How many requests have come up to now."""
        return self._ledger.tally.came

    @property
    def held(self) -> float:
        """How many requests wait at the router because no pod takes them."""
        return float(len(self._router.held))

    def advance(self, until: float) -> None:
        """Let all happen that is due up to *until*, that moment included. Raises `ValueError` for a moment that has passed."""
        if until < self._now:
            raise ValueError(f"time only moves forward: it is {self._now} s, not {until} s")
        agenda, engines, router, patience_s = self._agenda, self._engines, self._router, self._world.router.patience_s
        while True:
            while agenda and ((engine := engines.get(agenda[0][1])) is None or engine.due != agenda[0][0]):
                heapq.heappop(agenda)
            engine_at = agenda[0][0] if agenda else NEVER
            gives_up_at = self._impatient[0].at + patience_s if self._impatient else NEVER
            self._now = min(engine_at, gives_up_at, router.look_at, self._next.at)
            if self._now > until:
                break
            if engine_at == self._now:
                self._fire(heapq.heappop(agenda)[1])
            elif gives_up_at == self._now:
                self._give_up()
            elif router.look_at == self._now:
                router.look((pod, engine.outstanding) for pod, engine in engines.items())
            else:
                self._come()
        self._now = until

    def add(self, pod: int) -> None:
        """Have *pod* take requests from now on, those that are held first."""
        if self._router.routes_to(pod):
            return
        if pod not in self._engines:
            self._engines[pod] = _engine(self._world.engine, self._ledger)
        self._router.open(pod, self._engines[pod].outstanding)
        self._hand_out()

    def withdraw(self, pod: int) -> None:
        """Give *pod* no more requests; it finishes what it has."""
        self._router.close(pod)

    def outstanding(self, pod: int) -> float:
        """Return how many requests *pod* has."""
        return float(self._engines[pod].outstanding) if pod in self._engines else 0.0

    def remove(self, pod: int) -> None:
        """Take *pod* away; what it still has is killed, and counted so."""
        self._router.close(pod)
        engine = self._engines.pop(pod, None)
        if engine is not None:
            self._ledger.killed(engine.inside())

    def gauges(self, pod: int) -> service.Gauges:
        """Return what *pod* shows; one that is not known shows that it is idle."""
        return self._engines[pod].gauges(now=self._now) if pod in self._engines else _IDLE

    def recent_first_tokens(self, since: float) -> Sequence[tuple[float, float]]:
        """Return (time to first token, 1) of those that had theirs at or after *since*."""
        return self._ledger.first_tokens(since=since)

    def _fire(self, pod: int) -> None:
        engine = self._engines[pod]
        engine.fire()
        self._expect(pod, engine)
        self._tell(pod, engine)

    def _come(self) -> None:
        request, self._next = self._next, next(self._coming, _NOBODY)
        self._ledger.came()
        pod = None if self._router.held else self._router.pick()
        if pod is not None:
            self._give(request, pod)
        elif self._router.keeps():
            self._router.held.append(request)
        else:
            self._ledger.refused(request)
            return
        self._impatient.append(request)

    def _give(self, request: Request, pod: int) -> None:
        request.pod = pod
        engine = self._engines[pod]
        due = engine.due
        engine.take(request, now=self._now)
        if engine.due != due:
            self._expect(pod, engine)

    def _give_up(self) -> None:
        """Have the client who waits longest give up, and forget those behind it who need not wait any more."""
        request = self._impatient.popleft()
        if request.waits:
            self._ledger.timed_out(request)
            if request.pod is None:
                self._router.held.remove(request)
            else:
                engine = self._engines[request.pod]
                engine.abandon(request, now=self._now)
                self._expect(request.pod, engine)
                self._tell(request.pod, engine)
        while self._impatient and not self._impatient[0].waits:
            self._impatient.popleft()

    def _expect(self, pod: int, engine: Engine) -> None:
        if engine.due < NEVER:
            heapq.heappush(self._agenda, (engine.due, pod))

    def _tell(self, pod: int, engine: Engine) -> None:
        if self._router.knows:
            self._router.saw(pod, engine.outstanding)
            self._hand_out()

    def _hand_out(self) -> None:
        held = self._router.held
        while held and (pod := self._router.pick()) is not None:
            self._give(held.popleft(), pod)


def _engine(engine: world.Engine, ledger: ledgers.Ledger) -> Engine:
    match engine:
        case world.Llm():
            return llm.ContinuousBatching(engine, ledger)
        case world.Classic():
            return classic.BatchServer(engine, ledger)
        case _:
            assert_never(engine)


def _each(requests: workload.Requests, engine: world.Engine, rng: np.random.Generator) -> Iterator[Request]:
    """Yield the requests as they come. A part of a token counts as one."""
    by_chance = isinstance(engine, world.Classic) and engine.exponential
    lucks = rng.exponential(size=len(requests)) if by_chance else np.ones(len(requests))
    prompts, answers = (np.ceil(lengths).astype(np.int64) for lengths in (requests.prompt_tokens, requests.output_tokens))
    yield from map(Request, *(column.tolist() for column in (requests.at, prompts, answers, lucks)))
