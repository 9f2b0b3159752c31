"""One target at a time: look at it, decide, carry it out, remember it, tell of it."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo

import structlog

from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from autoscaler import actuate, observe
from autoscaler.anticipate.ondemand import Forecasts
from autoscaler.cluster import deletion, routing, scale
from autoscaler.cluster.answers import Answer
from autoscaler.cluster.memories import Memories, StorageError, Stored
from autoscaler.cluster.view import View
from autoscaler.cost.census import Census, Counting
from autoscaler.decision import forecasted, offered, pipeline, schedule, startup
from autoscaler.decision import memory as remembering
from autoscaler.decision.model import (
    Decision,
    ForecastMode,
    ForeignWrite,
    Memory,
    Mode,
    Observation,
    Record,
    ScheduleState,
    Source,
)
from autoscaler.errors import Problem, TargetError
from autoscaler.report import status
from autoscaler.report.record import Recorder
from autoscaler.report.telemetry import Telemetry
from autoscaler.reporting import Decided, Reporting
from autoscaler.resource.scaler import MANAGER, Key, Mechanism, Scaler
from autoscaler.seen import PodSeen, Pool, TargetSeen

log = structlog.get_logger("autoscaler")

_UNNAMED = "somebody whom managedFields does not name"
_NEW_S = 60.0
_AT_ONCE = 128  # targets whose replicas are being set: etcd commits many as fast as one, and more would only wait there
_NO_POOL = Pool(mechanism=Mechanism.HEADROOM, why="no warm pool is asked for")
_ANOTHER = f"another {MANAGER}"
_SHOWN_S = 30.0  # so long a watch may take to show what we wrote, or who led before us; what it shows after that stands
#: Between the looks at the pods of a target that is steered no more: what was under way when it was given up ends meanwhile.
_RELEASE_AFTER_S = (1.0, 5.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Replicas that we have set, for as long as the watch may not show them."""

    replicas: int
    version: str  # the target's since then
    until: float  # the loop's time

    def shown(self, target: TargetSeen) -> bool:
        """Return whether *target* is as it was when we had written, or later. Versions rise: Kubernetes promises it since 1.35."""
        seen, written = target.resource_version, self.version
        if seen.isdecimal() and written.isdecimal():
            return int(seen) >= int(written)
        return seen == written or target.replicas == self.replicas


@dataclass(slots=True)
class Tracked:
    """One scaler, and what is known of it between two decisions."""

    key: Key
    generation: int = 0
    scaler: Scaler | None = None
    problems: tuple[Problem, ...] = ()
    zones: Mapping[str, tzinfo] = field(default_factory=dict)
    memory: Memory | None = None
    saved: Hashable = None  # what of it was handed over for writing last
    restored_at: float | None = None  # Unix seconds
    corrupted: bool = False
    learned: startup.Learned = field(default_factory=startup.Learned)
    counting: Counting = field(default_factory=Counting)
    quantiles: startup.Quantiles | None = None
    schedule: ScheduleState = field(default_factory=ScheduleState)
    schedule_stands: tuple[float, float] = (0.0, 0.0)  # from when until when
    decision: Decision | None = None
    pods: tuple[str, ...] = ()  # those that get requests, by name
    assumed: Written | None = None  # which the watch may not show yet
    unanswered: int | None = None  # replicas that we asked for, and nobody said whether we got them
    holds: Scaler | None = None  # whose target's pods may be held back: the last one that was not to recommend only
    failures: int = 0  # in a row

    def take_up(self, scaler: Scaler) -> Scaler | None:
        """Note what the scaler says from now on, and return the one for which pods may have been held back until now."""
        before = self.holds
        if before is None and self.memory is not None and self.memory.expected is not None:
            before = scaler  # whoever led before us acted on it
        self.holds = None if scaler.policy.mode is Mode.RECOMMEND else scaler
        return before


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is left to do for one decision."""

    plan: actuate.Plan
    target: TargetSeen
    pool: Pool


class Steering:
    """Steers targets. *fence* says whether we may still write, and is asked before each write."""

    def __init__(
        self,
        kube: Kube,
        *,
        view: View,
        memories: Memories,
        reporting: Reporting,
        telemetry: Telemetry,
        fence: Callable[[], bool],
        recorder: Recorder | None = None,
        anticipation: Forecasts | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._view = view
        self._memories = memories
        self._reporting = reporting
        self._telemetry = telemetry
        self._fence = fence
        self._recorder = recorder
        self._anticipation = anticipation
        self._clock = clock

    def decide(self, tracked: Tracked, scaler: Scaler, target: TargetSeen) -> Act | None:
        """Decide on *target*, remember and tell it; return what is to be done about it, or None when there is nothing."""
        now = self._clock()
        target = _as_we_left_it(tracked, target)
        pods = self._view.pods.select(target.namespace, target.selector)
        pool = self._view.services.pool(target) if scaler.policy.warm_pool.max else _NO_POOL
        answers = [self._answer(target.namespace, scaler, position) for position in range(len(scaler.queries))]
        quantiles = self._startup(tracked, scaler, target)
        before = self._memory(tracked, scaler, now, target)
        observation = observe.observation(
            scaler,
            target,
            pods,
            pool,
            answers,
            now=now,
            schedule=_schedule(tracked, scaler, now),
            foreign=self._foreign(scaler, target, before, now),
            quantiles=quantiles,
            shared_nodes=self._view.nodes.shared,
        )
        forecasting = self._forecasting(scaler)
        if forecasting is not None:
            observation = _foreseen(forecasting, tracked, scaler, observation)
        decision, after = pipeline.decide(scaler.policy, observation, before)
        if self._recorder is not None:
            record = Record(
                target=str(tracked.key),
                policy=scaler.policy,
                observation=observation,
                before=before,
                decision=decision,
                after=after,
            )
            self._recorder.keep(record)
        tracked.memory, tracked.decision = after, decision
        load = offered.demanded(scaler.policy, observation, decision.votes)
        if forecasting is not None:
            forecasting.saw(scaler.key, load, now=now)
        tracked.pods = tuple(pod.name for pod in pods if not observe.is_warm(pod))
        self._remember(tracked, after)
        self._reporting.decided(
            Decided(
                scaler=scaler,
                observation=observation,
                before=before,
                decision=decision,
                memory=after,
                startup=_told(quantiles),
                pool=pool,
                census=self._census(tracked, target, pods, pool),
                offered=load,
                outlook=forecasting.outlook(scaler.key) if forecasting is not None else None,
                corrupted=tracked.corrupted and after.no_down_before is not None,
            )
        )
        if not decision.act:
            return None
        plan = actuate.plan(decision, target, pods, pool, observe.loads(scaler, decision, pods, answers))
        return Act(plan=plan, target=target, pool=pool) if plan else None

    async def carry_out(self, tracked: Tracked, act: Act) -> None:
        """Do what was decided, in the plan's order.

        Raises `ApiServerError`, `TargetError` or `scale.ConflictError`: then the replicas are as they were, and the memory says so.
        """
        plan, now = act.plan, self._clock()
        if plan.route and self._fence():
            outcome = await routing.promote(self._kube, plan.route, act.pool.mechanism, now=now)
            self._telemetry.promoted(tracked.key, len(outcome.done))
            _say(tracked.key, outcome.problems)
        if plan.unmark and self._fence():
            _say(tracked.key, (await deletion.unmark(self._kube, plan.unmark)).problems)
        if plan.scale_to is not None:
            try:
                await self._scale(tracked, act.target, plan, plan.scale_to)
            except BaseException:
                self._take_back(tracked, act.target)
                raise
        if plan.hold and self._fence():
            _say(tracked.key, (await routing.hold(self._kube, plan.hold, act.pool.mechanism, now=now)).problems)

    async def _scale(self, tracked: Tracked, target: TargetSeen, plan: actuate.Plan, replicas: int) -> None:
        try:
            # First on paper: a crash after the write must not leave a change that nobody remembers.
            await self._memories.save_now(tracked.key)
        except StorageError as error:
            log.error("memory not kept", scaler=str(tracked.key), problem=str(error))
        except ApiServerError as error:
            # Better to serve without a memory than to keep one and not to serve; but what passes may be waited for.
            if not error.lasting:
                raise
            log.error("memory not kept", scaler=str(tracked.key), problem=str(error))
        if plan.victims and self._fence():
            _say(tracked.key, (await deletion.mark(self._kube, plan.victims)).problems)
        try:
            version = await self._set(target, replicas)
        except (ApiServerError, TargetError, scale.ConflictError) as error:
            self._telemetry.scaled(_word(error))
            tracked.unanswered = replicas if isinstance(error, ApiServerError) else None
            raise
        self._telemetry.scaled("ok")
        tracked.unanswered = None
        tracked.assumed = Written(replicas=replicas, version=version, until=asyncio.get_running_loop().time() + _SHOWN_S)

    async def _set(self, target: TargetSeen, replicas: int) -> str:
        async with self._gate:
            if not self._fence():
                raise ApiServerError(0, "the lease was lost before the replicas were set")
            return await scale.scale(self._kube, target, replicas)

    def _take_back(self, tracked: Tracked, target: TargetSeen) -> None:
        """Forget a change that did not happen: at the next look it would pass for somebody else's."""
        if tracked.memory is not None:
            tracked.memory = remembering.adopt(tracked.memory, replicas=target.replicas)
            self._remember(tracked, tracked.memory)

    # ── letting go ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def release(self, scaler: Scaler, *, free: Callable[[], bool]) -> None:
        """Give requests to the pods of *scaler*'s target that are held back, and take our deletion costs off them.

        For a target that is steered no more; nothing is done once *free* says that somebody steers it. It looks a few times, since
        pods may be held back still when it begins, tells once what went wrong in the end, and raises nothing.
        """
        problems: Sequence[str] = ()
        for wait_s in _RELEASE_AFTER_S:
            await asyncio.sleep(wait_s)
            if not free():
                return
            try:
                problems = await self._release(scaler)
            except TargetError:
                return  # it is gone, and its pods with it, or there is no way left to find them
            except Exception as error:  # noqa: BLE001 - one target's trouble must not end the loop of all
                problems = (str(error),)
        _say(scaler.key, problems)

    async def _release(self, scaler: Scaler) -> Sequence[str]:
        """Let go of the pods once, and return what went wrong, in words."""
        target = await self._view.targets.get(scaler.key.namespace, scaler.target)
        pods = self._view.pods.select(target.namespace, target.selector)
        held = [pod for pod in pods if observe.is_warm(pod)]
        if not self._fence():
            return ()
        # Headroom is every way at once: whatever keeps requests from a pod is taken away.
        promoted = await routing.promote(self._kube, held, Mechanism.HEADROOM, now=self._clock())
        unmarked = await deletion.unmark(self._kube, pods)
        if promoted.done or unmarked.done:
            log.info("pods let go", scaler=str(scaler.key), promoted=len(promoted.done), unmarked=len(unmarked.done))
        return promoted.problems + unmarked.problems

    # ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, namespace: str, scaler: Scaler, position: int) -> Answer:
        return self._view.metrics.answer(namespace, scaler.queries[position])

    def unread(self, tracked: Tracked, scaler: Scaler) -> bool:
        """Return whether one of its metrics has not been asked for yet: it is not missing, nobody has looked."""
        return not all(self._answer(tracked.key.namespace, scaler, position).tried for position in range(len(scaler.queries)))

    def total_milli(self, tracked: Tracked, scaler: Scaler, position: int) -> int:
        """Return what the signal at *position* says now, over the pods that get requests; 0 where it says nothing."""
        answer = self._answer(tracked.key.namespace, scaler, position)
        if scaler.queries[position].source is not Source.PODS:
            return answer.total_milli or 0
        return sum(answer.values[name][0] for name in tracked.pods if name in answer.values)

    def _startup(self, tracked: Tracked, scaler: Scaler, target: TargetSeen) -> startup.Quantiles:
        before = tracked.learned
        for sample in self._view.pods.starts(target.namespace, target.selector):
            known = tracked.learned
            tracked.learned = startup.learn(known, sample)
            start = startup.start_of(sample)
            if tracked.learned is not known and start is not None:
                self._telemetry.started(scaler, start)
        if tracked.quantiles is None or tracked.learned is not before:
            tracked.quantiles = startup.quantiles(tracked.learned, scaler.policy.startup)
        return tracked.quantiles

    def _census(self, tracked: Tracked, target: TargetSeen, pods: Sequence[PodSeen], pool: Pool) -> Census:
        """Return which GPUs the target's pods hold, and what those on their way wait for."""
        return tracked.counting.take(
            pods,
            self._view.pods.leaving(target.namespace, target.selector),
            hardware=self._view.nodes.hardware,
            nodes_version=self._view.nodes.version,
            pool_offered=pool.mechanism is not Mechanism.HEADROOM,
            gpus_per_group=(target.gpus_per_replica or 0) if target.grouped else 0,
        )

    def _forecasting(self, scaler: Scaler) -> Forecasts | None:
        """Return who forecasts *scaler*'s load, if it is to be forecast."""
        if self._anticipation is None:
            return None
        if scaler.policy.forecast.mode is ForecastMode.OFF:
            self._anticipation.forget(scaler.key)
            return None
        self._anticipation.follow(scaler)
        return self._anticipation

    def _foreign(self, scaler: Scaler, target: TargetSeen, memory: Memory, now: float) -> ForeignWrite | None:
        """Return who else sets the replicas. In Recommend mode that is how it is meant: nothing of ours is in the way."""
        if scaler.policy.mode is not Mode.AUTO:
            return None
        standing = self._view.hpas.standing(target.namespace, scaler.target)
        if standing is not None:
            return ForeignWrite(writer=standing, at=now, standing=True)
        if memory.expected is None or memory.expected == target.replicas:
            return None
        writer = target.writer
        if writer is None:
            return ForeignWrite(writer=_UNNAMED, at=now)
        name = _ANOTHER if writer.manager == MANAGER else writer.manager
        return ForeignWrite(writer=name, at=writer.at if writer.at is not None else now)

    # ── remembering ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _memory(self, tracked: Tracked, scaler: Scaler, now: float, target: TargetSeen) -> Memory:
        replicas = target.replicas
        known = tracked.memory
        if known is None:
            # Of a scaler that was made a moment ago there is nothing to remember: nobody has lost anything.
            new = now - scaler.created_at < _NEW_S and not tracked.corrupted
            known = Memory() if new else remembering.fresh(now, scaler.policy)
        elif tracked.restored_at is None:
            known = remembering.restore(known, now=now, replicas=replicas)
        if tracked.restored_at is None:
            tracked.restored_at = now
        carried_out = tracked.unanswered == replicas
        if carried_out:
            tracked.unanswered = None
        ours = target.writer is not None and target.writer.manager == MANAGER
        if carried_out or (ours and now < tracked.restored_at + _SHOWN_S):
            # A write that nobody answered, or of who led before us, on a watch that lags: the number is nobody else's.
            known = remembering.adopt(known, replicas=replicas)
        return known

    def _remember(self, tracked: Tracked, memory: Memory) -> None:
        worth = remembering.durable(memory), tracked.learned
        if worth != tracked.saved:
            tracked.saved = worth
            self._memories.put(tracked.key, Stored(memory=memory, startup=tracked.learned))


def _as_we_left_it(tracked: Tracked, target: TargetSeen) -> TargetSeen:
    """Return *target* with the replicas that we gave it, as long as the watch has not brought that change yet.

    That it has changed does not tell: the status is written all the time, and may have been just before we wrote.
    """
    written = tracked.assumed
    if written is None:
        return target
    if written.shown(target) or asyncio.get_running_loop().time() >= written.until:
        tracked.assumed = None
        return target
    return observe.with_replicas(target, written.replicas)


def _foreseen(forecasting: Forecasts, tracked: Tracked, scaler: Scaler, observation: Observation) -> Observation:
    """Return *observation* with what may come within one lead time, if that can be said."""
    policy = scaler.policy
    votes = tracked.decision.votes if tracked.decision is not None else ()
    forecast = forecasting.forecast(
        scaler.key,
        lead_s=forecasted.lead_s(policy, observation, votes),
        quantile=policy.forecast.quantile,
        pool_quantile=policy.warm_pool.quantile,
        now=observation.now,
    )
    return observation if forecast is None else dataclasses.replace(observation, forecast=forecast)


def _schedule(tracked: Tracked, scaler: Scaler, now: float) -> ScheduleState:
    since, until = tracked.schedule_stands
    if not since <= now < until:
        found, until = schedule.state(scaler.schedules, tracked.zones, now=now)
        tracked.schedule, until = schedule.boosted(found, until, scaler.boost, now=now)
        tracked.schedule_stands = (now, until)
    return tracked.schedule


def _told(quantiles: startup.Quantiles) -> status.Startup:
    phases = (("Scheduled", quantiles.scheduled), ("Pulled", quantiles.pulled), ("Loaded", quantiles.loaded))
    return status.Startup(
        p50_s=quantiles.p50_s,
        p90_s=quantiles.p90_s,
        p99_s=quantiles.p99_s,
        samples=quantiles.samples,
        phases=tuple(status.Phase(name=name, p50_s=each.p50_s, p90_s=each.p90_s) for name, each in phases if each is not None),
    )


def _say(key: Key, problems: Sequence[str]) -> None:
    if problems:
        log.warning("pods not as decided", scaler=str(key), problems=list(problems[:3]), count=len(problems))


def _word(error: Exception) -> str:
    match error:
        case scale.ConflictError():
            return "conflict"
        case TargetError():
            return error.reason
        case ApiServerError():
            return str(error.status or "no_answer")
        case _:
            return "error"
