"""When each scaler is decided on: at its own moment of every period, at once when it changed or its load presses.

Deciding is synchronous and costs less than a millisecond; what is to be done about it is a task of its own, so that a target whose
API answers slowly, or not at all, delays no other. Whoever leads runs `lead`, which ends when the Lease is lost.
"""

import asyncio
import enum
import heapq
import math
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

import structlog

from adapter import running
from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler.anticipate.ondemand import Forecasts
from autoscaler.cluster import scale
from autoscaler.cluster.memories import Memories, entry_name
from autoscaler.cluster.view import View
from autoscaler.decision import memory as remembering
from autoscaler.decision.model import Decision, Kind, Mode, Policy, TargetType
from autoscaler.errors import InvalidScalerError, TargetError
from autoscaler.report import conditions
from autoscaler.report.record import Recorder
from autoscaler.report.telemetry import Telemetry
from autoscaler.reporting import Audience, Reporting
from autoscaler.resource import policy as policies
from autoscaler.resource.scaler import Key, Scaler, TargetRef
from autoscaler.settings import Pace
from autoscaler.steering import Act, Steering, Tracked

log = structlog.get_logger("autoscaler")

_LOOK_UP_S = 1.0  # the loop looks up at least this often
_FIRST_READ_S = 5.0  # so long a new scaler waits for metrics that nobody has read yet
_SPREAD_EACH_S = 0.005  # by how much each further scaler widens the time over which all of them begin
_LEAST_WAIT_S = 0.001  # where rounding would have it be now again
_EARLY_S = 1e-6  # by so much less than it was asked for a timer may wait: its clock has a resolution
_TURN_S = 0.005  # of deciding, until everybody else on the loop has a turn
_WANT_S = 0.05  # until it is told which metrics are wanted
_AT_A_TIME = 20  # scalers that are taken over before anybody else has a turn: to read one costs a millisecond

_Claim = tuple[str, str, str]  # namespace, kind and name of a target


@dataclass(slots=True)
class _Slot:
    """When one scaler is decided on."""

    tracked: Tracked
    due: float = 0.0
    began_at: float = float("-inf")
    patient_until: float = 0.0  # for metrics that have never been read
    busy: bool = False  # its last decision is still being carried out
    pressures: tuple["_Pressure", ...] = ()


class _Presses(enum.Enum):
    """Why a signal makes its scaler be decided on at once."""

    QUEUE = enum.auto()  # it is urgent; and at zero whenever it says anything
    WARM = enum.auto()  # there are warm pods that could help at once
    RISE = enum.auto()  # it asks for more than it did, and no window has to pass first


class _Pressure(NamedTuple):
    """From what a signal has to be on for its scaler to be decided on at once."""

    position: int
    per_pod_milli: float
    why: _Presses


class Controller:
    """Steers every scaler of *view*. *fence* says whether we may still write."""

    def __init__(
        self,
        *,
        kube: Kube,
        view: View,
        memories: Memories,
        telemetry: Telemetry,
        fence: Callable[[], bool],
        pace: Pace,
        recorder: Recorder | None = None,
        anticipation: Forecasts | None = None,
        audience: Audience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._view = view
        self._memories = memories
        self._telemetry = telemetry
        self._anticipation = anticipation
        self._pace = pace
        self._acting = 0  # scalers whose last decision is being carried out
        self._reporting = Reporting(
            kube, telemetry=telemetry, fence=fence, pace=pace, acting=lambda: self._acting, audience=audience, clock=clock
        )
        self._steering = Steering(
            kube,
            view=view,
            memories=memories,
            reporting=self._reporting,
            telemetry=telemetry,
            fence=fence,
            recorder=recorder,
            anticipation=anticipation,
            clock=clock,
        )
        self._slots: dict[Key, _Slot] = {}
        self._claims: dict[_Claim, set[Key]] = {}
        self._queue: list[tuple[float, Key]] = []
        self._readers: dict[tuple[str, str], set[Key]] = {}  # who has a queue signal, by namespace and metric
        self._sooner = asyncio.Event()
        self._wanting: asyncio.TimerHandle | None = None  # which metrics are wanted is about to be told
        self._zones = frozenset(available_timezones())
        self._group = asyncio.TaskGroup()

    async def lead(self) -> None:
        """Steer until cancelled; then write down what is remembered, for whoever leads next."""
        self._slots, self._claims, self._queue, self._readers = {}, {}, [], {}
        self._acting = 0
        await self._memories.load()
        parts = [("write memories", self._memories.run), ("write status", self._reporting.run)]
        if self._anticipation is not None:
            await self._anticipation.restore()
            parts.append(("forecast", self._anticipation.run))
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name, part in parts:
                group.create_task(running.keep_running(name, part), name=name)
            self._view.scalers.on_change = self._changed
            self._view.metrics.on_read = self._read
            self._view.targets.on_change = self._target_changed
            try:
                keys = self._view.scalers.keys()
                self._memories.keep(keys)
                if self._anticipation is not None:
                    self._anticipation.keep(keys)
                for position, key in enumerate(keys, 1):
                    self._changed(key)
                    if position % _AT_A_TIME == 0:
                        await asyncio.sleep(0)  # the Lease has to be renewed, however many there are
                await self._loop()
            finally:
                self._view.scalers.on_change = self._view.metrics.on_read = self._view.targets.on_change = _nobody_cares
                self._want_nothing()
                await self._memories.flush()

    # ── when ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            turn_ends_at = loop.time() + _TURN_S
            while self._queue and self._queue[0][0] <= loop.time() + _EARLY_S:
                due, key = heapq.heappop(self._queue)
                slot = self._slots.get(key)
                if slot is None or slot.due != due:
                    continue  # gone, or due at another time by now
                began = slot.began_at = loop.time()
                self._telemetry.ticked(late_s=max(0.0, began - due))
                self._decide(slot)
                now = loop.time()
                self._telemetry.took(now - began)
                if now >= turn_ends_at:
                    await asyncio.sleep(0)  # whoever reads watches and answers probes has a turn
                    turn_ends_at = loop.time() + _TURN_S
            self._sooner.clear()
            wait_s = max(0.0, self._queue[0][0] - loop.time()) if self._queue else _LOOK_UP_S
            try:
                async with asyncio.timeout(min(_LOOK_UP_S, wait_s)):
                    await self._sooner.wait()
            except TimeoutError:
                pass

    def _schedule(self, slot: _Slot, due: float) -> None:
        slot.due = due
        heapq.heappush(self._queue, (due, slot.tracked.key))
        self._sooner.set()

    def _next(self, slot: _Slot) -> float:
        """Return when *slot* is due again. At rest everyone keeps a moment of their own: a thousand do not tick at once."""
        now = asyncio.get_running_loop().time()
        failures, decision = slot.tracked.failures, slot.tracked.decision
        if failures:
            return now + min(self._pace.last_backoff_s, self._pace.first_backoff_s * 2.0 ** min(failures - 1, 10))
        period_s = self._pace.tick_s
        if decision is not None and (decision.urgent or decision.current == 0):
            return now + min(self._pace.urgent_s, period_s)
        wait_s = period_s - (now - slot.tracked.key.moment(period_s)) % period_s
        return now + max(wait_s, _LEAST_WAIT_S)

    def _read(self, namespace: str, metric: str) -> None:
        """A metric was read: whoever sits at zero with work waiting, or has a queue that presses, is decided on now."""
        now = asyncio.get_running_loop().time()
        for key in self._readers.get((namespace, metric), ()):
            slot = self._slots.get(key)
            if slot is not None and not slot.busy and slot.due > now and self._presses(slot):
                due = max(now, slot.began_at + self._pace.read_s / 2)
                if due < slot.due:
                    self._schedule(slot, due)

    def _target_changed(self, namespace: str, ref: TargetRef) -> None:
        """A target has changed: whoever had trouble with it need not wait any longer."""
        for key in self._claims.get((namespace, ref.kind, ref.name), ()):
            slot = self._slots[key]
            if slot.tracked.failures and not slot.busy:
                slot.tracked.failures = 0
                self._schedule(slot, asyncio.get_running_loop().time())

    def _presses(self, slot: _Slot) -> bool:
        tracked = slot.tracked
        scaler, decision = tracked.scaler, tracked.decision
        if scaler is None or decision is None or tracked.failures:
            return False
        return any(self._exceeds(pressure, tracked, scaler, decision) for pressure in slot.pressures)

    def _exceeds(self, pressure: _Pressure, tracked: Tracked, scaler: Scaler, decision: Decision) -> bool:
        if decision.current > 0 and not _matters(pressure.why, decision):
            return False
        total_milli = self._steering.total_milli(tracked, scaler, pressure.position)
        if decision.current == 0:
            return pressure.why is _Presses.QUEUE and total_milli > 0
        return total_milli >= pressure.per_pod_milli * max(1, len(tracked.pods))

    # ── which ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _changed(self, key: Key) -> None:
        """Take over what *key* says now."""
        document = self._view.scalers.get(key)
        slot = self._slots.get(key)
        if slot is not None:
            self._release(slot)
        if document is None:
            if slot is not None:
                del self._slots[key]
                self._let_go(slot.tracked.holds)
                self._memories.drop(key)
                if self._anticipation is not None:
                    self._anticipation.forget(key)
                self._reporting.forget(key)
                self._want()
            return
        if slot is None:
            slot = self._slots[key] = _Slot(self._restored(key))
        self._reporting.know(key, document)
        tracked = slot.tracked
        tracked.generation = int(document["metadata"].get("generation", 0))
        tracked.failures = 0
        tracked.schedule_stands = (0.0, 0.0)
        tracked.quantiles = None
        try:
            scaler = policies.read(document, known_zone=self._zones.__contains__)
        except InvalidScalerError as error:
            tracked.scaler, tracked.problems = None, error.problems
        else:
            tracked.scaler, tracked.problems = scaler, ()
            tracked.zones = {each.time_zone: ZoneInfo(each.time_zone) for each in scaler.schedules}
            self._claim(slot, scaler)
            self._let_go(tracked.take_up(scaler))
        self._want()
        now = asyncio.get_running_loop().time()
        slot.patient_until = now + _FIRST_READ_S
        self._schedule(slot, now + self._first_delay_s(key))

    def _first_delay_s(self, key: Key) -> float:
        """Return how long a scaler waits at first: its metrics have to be read once, and a thousand of them are spread out."""
        return min(1.0, self._pace.read_s) + key.moment(min(self._pace.tick_s, len(self._slots) * _SPREAD_EACH_S))

    def _claim(self, slot: _Slot, scaler: Scaler) -> None:
        self._claims.setdefault(_target(scaler), set()).add(scaler.key)
        slot.pressures = tuple(_pressures(scaler.policy))
        for pressure in slot.pressures:
            self._readers.setdefault((scaler.key.namespace, scaler.queries[pressure.position].metric), set()).add(scaler.key)

    def _release(self, slot: _Slot) -> None:
        scaler = slot.tracked.scaler
        if scaler is None:
            return
        self._claims.get(_target(scaler), set()).discard(scaler.key)
        for pressure in slot.pressures:
            self._readers.get((scaler.key.namespace, scaler.queries[pressure.position].metric), set()).discard(scaler.key)

    def _let_go(self, scaler: Scaler | None) -> None:
        """Have the pods that may be held back for *scaler* get requests, unless its target is steered still."""
        if scaler is not None and not self._steers(scaler):
            work = self._steering.release(scaler, free=lambda: not self._steers(scaler))
            self._group.create_task(work, name=f"let go of {scaler.target} for {scaler.key}")

    def _steers(self, scaler: Scaler) -> bool:
        """Return whether somebody acts on *scaler*'s target, or will when it is not paused any more."""
        if not self._claims.get(_target(scaler)):
            return False
        owner = self._slots[self._owner(scaler)].tracked.scaler
        return owner is not None and owner.policy.mode is not Mode.RECOMMEND

    def _want(self) -> None:
        """Have the metrics read that are wanted now: told once, however many scalers change at the same time."""
        if self._wanting is None:
            self._wanting = asyncio.get_running_loop().call_later(_WANT_S, self._tell_wanted)

    def _want_nothing(self) -> None:
        """Have no metric read: who only stands by decides on none, and the metrics API has enough to do for who leads."""
        if self._wanting is not None:
            self._wanting.cancel()
            self._wanting = None
        self._view.metrics.wanted(())

    def _tell_wanted(self) -> None:
        self._wanting = None
        scalers = [slot.tracked.scaler for slot in self._slots.values()]
        self._view.metrics.wanted({(scaler.key.namespace, query) for scaler in scalers if scaler for query in scaler.queries})

    def _restored(self, key: Key) -> Tracked:
        tracked = Tracked(key, corrupted=entry_name(key) in self._memories.problems)
        stored = self._memories.get(key)
        if stored is not None:
            tracked.memory, tracked.learned = stored.memory, stored.startup
            tracked.saved = remembering.durable(stored.memory), stored.startup
        return tracked

    def _owner(self, scaler: Scaler) -> Key:
        """Return who has the target: the oldest of those that name it."""
        rivals = [self._slots[key].tracked.scaler for key in self._claims[_target(scaler)]]
        return min((rival for rival in rivals if rival is not None), key=lambda rival: (rival.created_at, rival.key)).key

    # ── one ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _decide(self, slot: _Slot) -> None:
        """Decide on one scaler, and have a task do what takes time."""
        tracked = slot.tracked
        scaler = tracked.scaler
        if slot.busy:
            self._schedule(slot, asyncio.get_running_loop().time() + self._pace.read_s)
            return
        if scaler is None:
            self._tell(tracked, conditions.invalid(tracked.problems))
            return  # until somebody edits it
        if (owner := self._owner(scaler)) != tracked.key:
            words = f"{owner} scales {scaler.target} already, and a target has one scaler: delete one of the two"
            self._tell(tracked, conditions.not_ready(conditions.Ready.TARGET_CLAIMED, words))
            self._schedule(slot, self._next(slot))
            return
        now = asyncio.get_running_loop().time()
        if now < slot.patient_until and self._steering.unread(tracked, scaler):
            self._schedule(slot, now + self._pace.read_s / 2)
            return
        target = self._view.targets.known(tracked.key.namespace, scaler.target)
        if target is None:
            self._start(slot, self._ask_and_decide(slot, scaler))  # its /scale has to be asked for
            return
        try:
            act = self._steering.decide(tracked, scaler, target)
        except Exception as error:  # noqa: BLE001 - one scaler's trouble must not end the loop of all
            self._broken(slot, error)
            act = None
        if act is not None:
            self._start(slot, self._carry_out(slot, scaler, act))
        else:
            self._schedule(slot, self._next(slot))

    def _start(self, slot: _Slot, work: Coroutine[object, object, None]) -> None:
        slot.busy = True
        self._acting += 1
        self._group.create_task(self._alone(slot, work), name=f"act on {slot.tracked.key}")

    async def _alone(self, slot: _Slot, work: Coroutine[object, object, None]) -> None:
        """Do *work* for one scaler; what it raises is that scaler's alone."""
        tracked = slot.tracked
        try:
            await work
            tracked.failures = 0
        except scale.ConflictError as error:
            log.info("not scaled", scaler=str(tracked.key), why=str(error))
        except (TargetError, ApiServerError) as error:
            self._failed(slot, error)
        except Exception as error:  # noqa: BLE001 - as above
            self._broken(slot, error)
        finally:
            slot.busy = False
            self._acting -= 1
        if self._there(slot):
            self._schedule(slot, self._next(slot))
        elif tracked.key not in self._slots:
            self._memories.drop(tracked.key)  # a change that did not happen is taken back in it: it may be there again

    async def _ask_and_decide(self, slot: _Slot, scaler: Scaler) -> None:
        target = await self._view.targets.get(scaler.key.namespace, scaler.target)
        if self._stands(slot, scaler):
            act = self._steering.decide(slot.tracked, scaler, target)
            if act is not None:
                await self._carry_out(slot, scaler, act)

    async def _carry_out(self, slot: _Slot, scaler: Scaler, act: Act) -> None:
        if self._stands(slot, scaler):
            await self._steering.carry_out(slot.tracked, act)

    def _there(self, slot: _Slot) -> bool:
        """Return whether nobody has deleted its scaler meanwhile; one that was made again has another slot."""
        return self._slots.get(slot.tracked.key) is slot

    def _stands(self, slot: _Slot, scaler: Scaler) -> bool:
        """Return whether nobody has deleted or edited *scaler* meanwhile."""
        return self._there(slot) and slot.tracked.scaler is scaler

    def _failed(self, slot: _Slot, error: TargetError | ApiServerError) -> None:
        """Tell why nothing could be decided or done; the target is asked again, less and less often."""
        if not self._there(slot):
            return
        tracked = slot.tracked
        tracked.failures += 1
        tracked.decision = None
        reason = error.reason if isinstance(error, TargetError) else conditions.Ready.API_SERVER_UNAVAILABLE
        log.warning("target not steered", scaler=str(tracked.key), reason=str(reason), error=str(error), failures=tracked.failures)
        self._tell(tracked, conditions.not_ready(reason, str(error)))

    def _broken(self, slot: _Slot, error: Exception) -> None:
        """Tell that we have a defect which this target brings to light; it is tried again, less and less often."""
        tracked = slot.tracked
        tracked.failures += 1
        tracked.decision = None
        log.error("target not steered: this is a defect of ours", scaler=str(tracked.key), exc_info=error)
        if self._there(slot):
            words = f"a defect of Leadtime's, please report it: {type(error).__name__}: {error}"
            self._tell(tracked, conditions.not_ready(conditions.Ready.INTERNAL_ERROR, words))

    def _tell(self, tracked: Tracked, answers: Sequence[conditions.Condition]) -> None:
        """Tell why nothing is decided."""
        try:
            self._reporting.undecided(tracked.key, tracked.scaler, tracked.generation, answers)
        except Exception as error:
            log.error("status not told: this is a defect of ours", scaler=str(tracked.key), exc_info=error)


def _pressures(policy: Policy) -> Iterator[_Pressure]:
    for position, signal in enumerate(policy.signals):
        queue = signal.kind is Kind.QUEUE
        if queue and (policy.urgent_ratio is not None or policy.min_replicas == 0):
            ratio = policy.urgent_ratio if policy.urgent_ratio is not None else math.inf
            yield _Pressure(position, ratio * signal.target_milli, _Presses.QUEUE)
        if signal.target_type is TargetType.AVERAGE_VALUE and signal.kind is not Kind.LATENCY:
            least_milli = (1.0 + policy.behavior.up.tolerance) * signal.target_milli
            if policy.warm_pool.max:
                yield _Pressure(position, least_milli, _Presses.WARM)
            if not policy.behavior.up.window_s:
                yield _Pressure(position, least_milli, _Presses.RISE)


def _matters(why: _Presses, decision: Decision) -> bool:
    """Return whether a signal that presses would make another *decision* than the last one."""
    match why:
        case _Presses.QUEUE:
            return not decision.urgent
        case _Presses.WARM:
            return decision.warm > 0
        case _Presses.RISE:
            # Where more was asked for already, something else keeps the number.
            return decision.replicas <= decision.current and (decision.demand is None or decision.demand <= decision.current)


def _target(scaler: Scaler) -> _Claim:
    return scaler.key.namespace, scaler.target.kind, scaler.target.name


def _nobody_cares(*_: object) -> None:
    """Stand in for whoever leads, while nobody does."""
