"""What hypothesis draws from in tests of the decision: policies, what was seen, what is remembered, and whole cases of them.

A *world* is consistent: there are as many pods as replicas, and every routed pod that is ready reports. An *observation* is
anything that the shell may hand over, the late, the missing and the contradictory included.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from autoscaler.decision import model
from autoscaler.decision.model import Kind, Source, TargetType

#: When everything that is drawn is looked at, Unix seconds.
NOW = 1_800_000_000.0
MAX_REPLICAS = 12

_KINDS = tuple(Kind)
_LOADS = tuple(kind for kind in Kind if kind is not Kind.LATENCY)
_DIRECTIONS = st.builds(
    model.Direction,
    window_s=st.sampled_from([0, 15, 60, 300]),
    select=st.sampled_from(model.Select),
    rates=st.lists(
        st.builds(model.Rate, st.sampled_from(model.RateType), st.sampled_from([1, 2, 4, 50, 100]), st.sampled_from([15, 60, 120])),
        max_size=2,
    ).map(tuple),
    tolerance=st.sampled_from([0.0, 0.05, 0.1, 0.25]),
)


@st.composite
def signals(draw: st.DrawFn, name: str = "queue", kinds: Sequence[Kind] = _KINDS) -> model.Signal:
    """Draw a signal with a target that its kind could have."""
    kind = draw(st.sampled_from(kinds))
    source = draw(st.sampled_from(Source))
    pods = source is Source.PODS
    return model.Signal(
        name=name,
        kind=kind,
        source=source,
        target_type=TargetType.AVERAGE_VALUE if pods else draw(st.sampled_from(TargetType)),
        target_milli=draw(st.sampled_from([800, 2_000, 10_000, 70_000])),
        stale_after_s=draw(st.sampled_from([60.0, 90.0])),
        learned=kind is Kind.CONCURRENCY and draw(st.booleans()),
        percent=kind is Kind.UTILIZATION,
    )


@st.composite
def signal_sets(draw: st.DrawFn, kinds: Sequence[Kind] = _KINDS) -> tuple[model.Signal, ...]:
    """Draw one to three signals with different names."""
    return tuple(draw(signals(f"signal-{number}", kinds)) for number in range(draw(st.integers(1, 3))))


@st.composite
def policies(draw: st.DrawFn, kinds: Sequence[Kind] = _KINDS, mode: model.Mode | None = None) -> model.Policy:
    """Draw a policy of any kind, in *mode* where one is given."""
    min_replicas = draw(st.integers(0, 3))
    pool_min = draw(st.integers(0, 2))
    return model.Policy(
        min_replicas=min_replicas,
        max_replicas=draw(st.integers(max(1, min_replicas), MAX_REPLICAS)),
        signals=draw(signal_sets(kinds)),
        behavior=draw(st.just(model.Behavior()) | st.builds(model.Behavior, up=_DIRECTIONS, down=_DIRECTIONS)),
        scale_down=draw(
            st.builds(
                model.ScaleDown,
                rule=st.sampled_from(model.DownRule),
                cooldown_s=st.sampled_from([0.0, 300.0]),
                min_coverage_ratio=st.sampled_from([0.0, 0.8, 1.0]),
            )
        ),
        forecast=model.ForecastPolicy(mode=draw(st.sampled_from(model.ForecastMode))),
        warm_pool=model.WarmPool(min=pool_min, max=pool_min + draw(st.integers(0, 2)), at_zero=draw(st.booleans())),
        idle=draw(
            st.none()
            | st.builds(model.Idle, replicas=st.integers(0, 2), after_s=st.just(300.0), zero_after_s=st.sampled_from([None, 900.0]))
        ),
        on_missing=draw(
            st.builds(
                model.OnMissing,
                behavior=st.sampled_from(model.MissingBehavior),
                replicas=st.integers(1, 4),
                fail_open=st.booleans(),
            )
        ),
        max_gpus=draw(st.none() | st.integers(0, 2 * MAX_REPLICAS)),
        urgent_ratio=draw(st.sampled_from([None, 2.0])),
        mode=mode or draw(st.sampled_from(model.Mode)),
        conflict=draw(st.sampled_from(model.ConflictPolicy)),
    )


@st.composite
def hpa_policies(draw: st.DrawFn) -> model.Policy:
    """Draw a policy under which the decision is the HPA's, number for number."""
    min_replicas = draw(st.integers(1, 3))
    return model.Policy(
        min_replicas=min_replicas,
        max_replicas=draw(st.integers(min_replicas, MAX_REPLICAS)),
        signals=draw(signal_sets((Kind.OTHER,))),
        behavior=draw(st.builds(model.Behavior, up=_DIRECTIONS, down=_DIRECTIONS)),
        scale_down=model.ScaleDown(rule=model.DownRule.TARGET, cooldown_s=0.0, min_coverage_ratio=0.0),
        forecast=model.ForecastPolicy(mode=model.ForecastMode.OFF),
        urgent_ratio=None,
        mode=model.Mode.AUTO,
    )


@st.composite
def pods(draw: st.DrawFn, replicas: int, *, at_rest: bool = False, pool: int = 0) -> model.Pods:
    """Draw what *replicas* pods are doing, up to *pool* of them warm; *at_rest* every one of them is ready."""
    warm = draw(st.integers(0, min(pool, replicas)))
    routed = replicas - warm
    ready = routed if at_rest else draw(st.integers(0, routed))
    loading = draw(st.integers(0, routed - ready))
    pending = routed - ready - loading
    warm_ready = warm if at_rest else draw(st.integers(0, warm))
    unschedulable = 0 if at_rest else draw(st.integers(0, pending))
    return model.Pods(
        ready=ready,
        loading=loading,
        pending=pending,
        warm_ready=warm_ready,
        warm_starting=warm - warm_ready,
        young=0 if at_rest else draw(st.integers(0, ready)),
        unschedulable=unschedulable,
        unschedulable_since=NOW - draw(st.sampled_from([5.0, 500.0])) if unschedulable else None,
        rolling_out=not at_rest and draw(st.booleans()),
    )


@st.composite
def fresh_readings(draw: st.DrawFn, signal: model.Signal, seen: model.Pods) -> model.Reading:
    """Draw what *signal* says when every routed pod that is ready reports, with a load from nothing to three times its target."""
    count = seen.ready if signal.source is Source.PODS else max(1, seen.ready + seen.starting)
    total = draw(st.one_of(st.just(0), st.integers(0, 3 * signal.target_milli * max(1, count))))
    per_pod = total / max(1, count) / 1000
    return model.Reading(
        total_milli=None if signal.source is Source.PODS and not count else total,
        reporting=seen.ready if signal.source is Source.PODS else 0,
        at=NOW - draw(st.sampled_from([0.0, 10.0, 59.0])),
        why="" if count else "no pod is ready",
        band_ratio=min(1.0, per_pod / 100) if signal.kind is Kind.UTILIZATION else None,
    )


@st.composite
def readings(draw: st.DrawFn, signal: model.Signal, seen: model.Pods) -> model.Reading:
    """Draw anything that may stand for *signal*: good, late, early, negative, partial, shared, or nothing."""
    good = draw(fresh_readings(signal, seen))
    match draw(st.integers(0, 9)):
        case 0:
            return model.Reading(why="the source is down", missing=seen.ready if signal.source is Source.PODS else 0)
        case 1:
            return replace(good, at=NOW - draw(st.sampled_from([60.5, 91.0, 5_000.0])))
        case 2:
            return replace(good, at=NOW + draw(st.sampled_from([1.0, 61.0, 100.0, 5_000.0])))
        case 3:
            return replace(good, total_milli=-draw(st.integers(1, 10**6)))
        case 4 if signal.source is Source.PODS and good.reporting > 1:
            missing = draw(st.integers(1, good.reporting - 1))
            return replace(good, reporting=good.reporting - missing, missing=missing)
        case 5 if signal.kind is Kind.UTILIZATION:
            return replace(good, shared=True)
        case _:
            return good


_FORECASTS = st.none() | st.builds(
    model.Forecast,
    serving=st.integers(0, 2 * MAX_REPLICAS * 8).map(lambda eighths: eighths / 8),
    pool=st.none() | st.integers(0, 2 * MAX_REPLICAS * 8).map(lambda eighths: eighths / 8),
    horizon_s=st.just(90.0),
    gate_open=st.booleans(),
)
_SCHEDULES = st.just(model.ScheduleState()) | st.builds(
    model.ScheduleState,
    names=st.just(("office",)),
    min_replicas=st.none() | st.integers(0, 4),
    max_replicas=st.none() | st.integers(4, MAX_REPLICAS),
    next_start=st.none() | st.just(NOW + 100.0),
)
_GPUS = st.none() | st.integers(0, 2)
_FOREIGN = st.none() | st.builds(
    model.ForeignWrite, writer=st.just("kubectl-scale"), at=st.just(NOW - 20.0), standing=st.booleans()
)


@st.composite
def worlds(draw: st.DrawFn, policy: model.Policy, *, at_rest: bool = False, now: float = NOW) -> model.Observation:
    """Draw a consistent observation without anybody else in it: pods == replicas, each signal fresh and complete."""
    replicas = draw(st.integers(0 if policy.min_replicas == 0 else 1, MAX_REPLICAS))
    seen = draw(pods(replicas, at_rest=at_rest, pool=policy.warm_pool.max))
    return model.Observation(
        now=now,
        replicas=replicas,
        status_replicas=replicas,
        pods=seen,
        readings=tuple(draw(fresh_readings(signal, seen)) for signal in policy.signals),
        gpus_per_replica=draw(_GPUS),
    )


@st.composite
def observations(draw: st.DrawFn, policy: model.Policy) -> model.Observation:
    """Draw anything that may be seen of a target of *policy*."""
    replicas = draw(st.integers(0, MAX_REPLICAS + 2))
    seen = draw(pods(draw(st.just(replicas) | st.integers(0, MAX_REPLICAS + 2)), pool=policy.warm_pool.max))
    return model.Observation(
        now=NOW,
        replicas=replicas,
        status_replicas=draw(st.just(replicas) | st.integers(0, MAX_REPLICAS + 2)),
        pods=seen,
        readings=tuple(draw(readings(signal, seen)) for signal in policy.signals),
        gpus_per_replica=draw(_GPUS),
        forecast=draw(_FORECASTS),
        schedule=draw(_SCHEDULES),
        foreign=draw(_FOREIGN),
        startup_p90_s=draw(st.sampled_from([None, 60.0])),
        startup_p99_s=draw(st.sampled_from([None, 90.0])),
        pool_offered=draw(st.booleans()),
    )


def _past(most_s: int = 1200) -> st.SearchStrategy[float]:
    return st.integers(0, most_s).map(lambda seconds: NOW - seconds)


@st.composite
def _asked(draw: st.DrawFn) -> tuple[model.Span, ...]:
    """Draw spans that follow each other, the last one up to a tick ago."""
    spans: list[model.Span] = []
    until = NOW - 15.0
    for _ in range(draw(st.integers(0, 4))):
        since = until - draw(st.sampled_from([0.0, 15.0, 45.0, 240.0]))
        spans.append(model.Span(draw(st.integers(0, MAX_REPLICAS)), since, until))
        until = since - 15.0
    return tuple(reversed(spans))


_CHANGES = st.lists(st.builds(model.Change, _past(300), st.integers(1, 4)), max_size=3).map(
    lambda changes: tuple(sorted(changes, key=lambda change: change.at))
)
_BINS = st.lists(
    st.builds(model.Bin, st.integers(0, 15).map(lambda tenths: tenths / 10), st.integers(0, 15).map(lambda tenths: tenths / 10)),
    max_size=3,
).map(tuple)
_TRUSTING = st.builds(model.Trusting, bins=_BINS, saturated=st.booleans())
_CAPACITIES = st.builds(model.Capacity, per_replica=st.integers(1, 200).map(float), samples=st.integers(1, 20))


@st.composite
def memories(draw: st.DrawFn, policy: model.Policy, observation: model.Observation) -> model.Memory:
    """Draw what earlier ticks may have left: nothing, something that fits *observation*, or something that does not."""
    if draw(st.integers(0, 4)) == 0:
        return model.Memory()
    expected = draw(st.just(observation.replicas) | st.integers(0, MAX_REPLICAS))
    return model.Memory(
        asked=draw(_asked()),
        ups=draw(_CHANGES),
        downs=draw(_CHANGES),
        expected=expected,
        serving=draw(st.integers(0, expected)),
        up_at=draw(st.none() | _past()),
        down_at=draw(st.none() | _past()),
        worked_at=draw(st.none() | _past()),
        woke_at=draw(st.none() | _past()),
        zeroed=draw(st.booleans()),
        lost_at=draw(st.none() | _past()),
        no_down_before=draw(st.sampled_from([None, NOW - 1.0, NOW + 100.0])),
        gpus_per_replica=draw(_GPUS),
        trusting=tuple(
            (signal.name, draw(_TRUSTING)) for signal in policy.signals if signal.kind is Kind.UTILIZATION and draw(st.booleans())
        ),
        capacities=tuple((signal.name, draw(_CAPACITIES)) for signal in policy.signals if signal.learned and draw(st.booleans())),
    )


@dataclass(frozen=True)
class Case:
    """Everything that one decision takes."""

    policy: model.Policy
    observation: model.Observation
    memory: model.Memory


@st.composite
def cases(draw: st.DrawFn, of: st.SearchStrategy[model.Policy] | None = None) -> Case:
    """Draw a decision's arguments, however odd."""
    policy = draw(policies() if of is None else of)
    observation = draw(observations(policy))
    return Case(policy, observation, draw(memories(policy, observation)))


@st.composite
def consistent_cases(
    draw: st.DrawFn, of: st.SearchStrategy[model.Policy] | None = None, *, at_rest: bool = False, remembered: bool = True
) -> Case:
    """Draw a decision's arguments in a consistent world; what is *remembered* may be anything still."""
    policy = draw(policies() if of is None else of)
    observation = draw(worlds(policy, at_rest=at_rest))
    return Case(policy, observation, draw(memories(policy, observation)) if remembered else model.Memory())


def loaded(observation: model.Observation, index: int, total_milli: int) -> model.Observation:
    """Return *observation* with another total at the reading *index*, and a band ratio that keeps its proportion."""
    reading = observation.readings[index]
    band = reading.band_ratio
    if band is not None and reading.total_milli:
        band = min(1.0, band * total_milli / reading.total_milli)
    elif band is not None:
        band = min(1.0, total_milli / 1000 / max(1, reading.reporting) / 100)
    changed = replace(reading, total_milli=total_milli, band_ratio=band)
    return replace(observation, readings=(*observation.readings[:index], changed, *observation.readings[index + 1 :]))
