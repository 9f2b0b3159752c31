"""Our policy in the fleet decides what the controller decides, from what the fleet shows."""

import dataclasses
import datetime as dt
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscaler.actuate import Plan
from autoscaler.decision.model import (
    Forecast,
    Idle,
    Mode,
    Record,
    ScaleDown,
    WarmPool,
)
from autoscaler.decision.offered import Offered
from autoscaler.report import replay
from autoscaler.resource import policy as policies
from autoscaler.resource.scaler import Scaler, Schedule
from autoscaler.simulation import ablations
from autoscaler.simulation.ours import Leadtime, scaler_of
from autoscaler.simulation.sight import PodMetric, PodSight, Sample, Wanted
from tests.autoscaler.simulation.looking import Fleet, ready, sight, starting
from tests.autoscaler.simulation.steered import START_S, Steered


def changed(scaler: Scaler, **changes: Any) -> Scaler:
    """Return *scaler* with another policy."""
    return dataclasses.replace(scaler, policy=dataclasses.replace(scaler.policy, **changes))


@dataclasses.dataclass
class Says:
    """Always foretells the same."""

    told: Forecast | None = None
    leads: list[float] = dataclasses.field(default_factory=list)
    loads: list[Offered | None] = dataclasses.field(default_factory=list)

    def forecast(self, now: float, lead_s: float, quantile: float, pool_quantile: float) -> Forecast | None:
        self.leads.append(lead_s)
        return self.told

    def saw(self, offered: Offered | None, now: float) -> None:
        self.loads.append(offered)


# ── as the controller ────────────────────────────────────────────────────────────────────────────────────────────────────────


def values(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


@st.composite
def lives(draw: st.DrawFn) -> tuple[Scaler, list[tuple[float, dict[str, float | None], bool]], Forecast | None]:
    """Return a scaler, the loads of some ticks (with what is lost of the metrics), and what is foretold."""
    scaler = changed(
        scaler_of(5.0, min_replicas=draw(st.sampled_from([0, 1, 2])), max_replicas=8),
        warm_pool=draw(st.sampled_from([WarmPool(), WarmPool(min=1, max=2), WarmPool(max=3)])),
        urgent_ratio=draw(st.sampled_from([None, 2.0])),
        scale_down=ScaleDown(cooldown_s=draw(st.sampled_from([0.0, 30.0, 300.0]))),
        idle=draw(st.sampled_from([None, Idle(after_s=30.0), Idle(after_s=30.0, zero_after_s=60.0)])),
    )
    ticks = draw(
        st.lists(
            st.tuples(
                values(0.0, 60.0),
                st.fixed_dictionaries(
                    {"gpu": st.one_of(st.none(), values(0, 100)), "waiting": st.one_of(st.none(), values(0, 60))}
                ),
                st.booleans(),
            ),
            min_size=1,
            max_size=40,
        )
    )
    forecasts = st.builds(Forecast, serving=values(0, 8), pool=values(0, 8), horizon_s=st.just(120.0), gate_open=st.booleans())
    return scaler, ticks, draw(st.one_of(st.none(), forecasts))


@settings(max_examples=60, deadline=None)
@given(lives())
def test_it_wants_what_the_controller_would_do(
    life: tuple[Scaler, list[tuple[float, dict[str, float | None], bool]], Forecast | None],
) -> None:
    scaler, ticks, told = life
    records: list[Record] = []
    policy = Leadtime(scaler, start_s=START_S, foresight=Says(told), on_decision=records.append)
    controller = Steered(scaler, Says(told))
    fleet, now = Fleet(load=lambda _: 0.0), 0.0

    for load, shown, lost in ticks:
        fleet.load = lambda _, load=load: load  # type: ignore[misc]
        usual = fleet.seen(now)
        seen = dataclasses.replace(sight(now, *usual.pods, arrivals=None if lost else load, **shown), replicas=usual.replicas)
        wanted = policy.ask(seen)
        plan = controller.decide(seen) or Plan()
        assert records[-1].decision == controller.tracked.decision
        assert records[-1].after == controller.tracked.memory
        assert policy.startup == controller.tracked.quantiles
        assert wanted.replicas == (seen.replicas if plan.scale_to is None else plan.scale_to)
        for named, pods in ((wanted.route, plan.route), (wanted.hold, plan.hold), (wanted.victims, plan.victims)):
            assert named == tuple(pod.name for pod in pods)
        fleet.carry_out(now, wanted)
        now += 15.0


def test_a_replay_of_its_records_reproduces_every_integer() -> None:
    records: list[Record] = []
    scaler = changed(scaler_of(5.0, max_replicas=8), warm_pool=WarmPool(min=1, max=2))
    policy = Leadtime(scaler, on_decision=records.append)

    Fleet(load=lambda now: 12.0 + 10.0 * math.sin(now / 300.0)).run(policy, 3600.0)

    (replayed,) = replay.check(records)
    assert replayed.decisions == len(records) >= 700
    assert replayed.faithful
    assert len({record.decision.replicas for record in records}) > 3


# ── the forecast ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def load(now: float) -> float:
    """Return a load that comes in waves."""
    return 12.0 + 10.0 * math.sin(now / 300.0)


def test_a_forecast_whose_gate_is_shut_changes_nothing_at_all() -> None:
    shut = Says(Forecast(serving=7.5, pool=8.0, horizon_s=120.0, gate_open=False))
    scaler = changed(scaler_of(5.0, max_replicas=8), warm_pool=WarmPool(max=2))
    off = dataclasses.replace(scaler, policy=ablations.without_forecast(scaler.policy))

    with_it = Fleet(load=load).run(Leadtime(scaler, foresight=shut), 3600.0)
    without = Fleet(load=load).run(Leadtime(off, foresight=shut), 3600.0)

    assert with_it == without


def test_an_open_forecast_raises_the_number_before_the_load_is_there() -> None:
    told = Says(Forecast(serving=3.0, horizon_s=120.0, gate_open=True))
    policy = Leadtime(scaler_of(5.0), foresight=told)

    # One pod at four fifths of its rate: the signals ask for one, the forecast for three, and it waits for no window.
    wanted = policy.ask(sight(0.0, ready("a"), gpu=50.0, waiting=0.0, arrivals=4.0))

    assert wanted.replicas == 3


def test_the_forecaster_is_told_the_load_in_replicas_worth() -> None:
    told = Says()

    Leadtime(scaler_of(5.0), foresight=told).ask(sight(0.0, ready("a"), gpu=50.0, waiting=0.0, arrivals=4.0))

    assert told.loads == [Offered(replicas=0.8, signals=("inference_request_rate",))]


def test_slow_starts_move_the_horizon_out() -> None:
    told = Says()
    policy = Leadtime(scaler_of(5.0), foresight=told)
    fleet = Fleet(load=lambda now: 4.0 + now / 100.0, startup_s=300.0)

    fleet.run(policy, 3000.0)

    # At first the prior's 60 s and a tick of 15 s; then that of starts which take five minutes.
    assert told.leads[0] == pytest.approx(75.0)
    assert told.leads[-1] > 300.0
    assert policy.startup.samples >= 3


def test_pods_that_were_ready_at_first_say_nothing_of_a_start_now() -> None:
    policy = Leadtime(scaler_of(5.0))

    for now in (0.0, 5.0):
        policy.ask(sight(now, ready("a"), ready("b"), gpu=50.0))

    assert policy.startup.samples == 0


def test_a_start_is_not_learned_where_that_is_left_out() -> None:
    told = Says()
    policy = Leadtime(scaler_of(5.0), foresight=told, learns_startup=False)

    Fleet(load=lambda now: 4.0 + now / 100.0, startup_s=300.0).run(policy, 3000.0)

    assert policy.startup.samples == 0
    assert told.leads[-1] == pytest.approx(75.0)


# ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_warm_pods_are_promoted_before_new_ones_are_made() -> None:
    scaler = changed(scaler_of(5.0), warm_pool=WarmPool(min=1, max=1))
    policy = Leadtime(scaler)
    pods = ready("serves", at=-400.0), ready("warm", at=-400.0, warm=True)
    policy.ask(sight(0.0, *pods, gpu=50.0, waiting=0.0, arrivals=4.0))

    # Twice the load of one: the warm one serves at once, and another is made to be warm in its place.
    wanted = policy.ask(sight(5.0, *pods, gpu=100.0, waiting=5.0, arrivals=10.0))

    assert wanted.route == ("warm",)
    assert wanted.replicas == 3


def test_a_pod_that_starts_is_held_for_the_pool() -> None:
    scaler = changed(scaler_of(5.0), warm_pool=WarmPool(min=1, max=1))
    policy = Leadtime(scaler)
    first = policy.ask(sight(0.0, ready("a", at=-400.0), gpu=50.0, waiting=0.0, arrivals=4.0))

    wanted = policy.ask(sight(5.0, ready("a", at=-400.0), starting("b", at=0.0), gpu=50.0, waiting=0.0, arrivals=4.0))

    assert first.replicas == 2
    assert wanted.hold == ("b",)


def test_the_least_busy_pod_goes_first() -> None:
    scaler = changed(scaler_of(5.0), scale_down=ScaleDown(cooldown_s=0.0))
    policy = Leadtime(scaler)
    pods = [ready(name, at=-4000.0) for name in "abc"]
    shown = {"a": 30.0, "b": 1.0, "c": 30.0}

    wanted = []
    for now in range(0, 600, 15):
        seen = sight(float(now), *pods, waiting=0.0, arrivals=7.0)  # two pods' worth
        gpu = {name: Sample(value, float(now)) for name, value in shown.items()}
        wanted.append(policy.ask(dataclasses.replace(seen, per_pod={**seen.per_pod, PodMetric.GPU_UTIL: gpu})))

    shrink = next(one for one in wanted if one.replicas < 3)
    assert shrink == Wanted(replicas=2, victims=("b",))


def test_it_looks_again_soon_while_a_queue_is_urgent_or_nothing_runs() -> None:
    urgent = Leadtime(scaler_of(5.0)).ask(sight(0.0, ready("a"), gpu=100.0, waiting=25.0, arrivals=4.0))
    at_zero = Leadtime(scaler_of(5.0, min_replicas=0)).ask(sight(0.0, replicas=0))
    calm = Leadtime(scaler_of(5.0)).ask(sight(0.0, ready("a"), gpu=50.0, waiting=0.0, arrivals=4.0))

    assert (urgent.in_s, at_zero.in_s, calm.in_s) == (2.0, 2.0, None)


def test_arrivals_wake_it_from_zero() -> None:
    wanted = Leadtime(scaler_of(5.0, min_replicas=0)).ask(sight(0.0, replicas=0, arrivals=1.0))

    assert wanted.replicas == 1


@pytest.mark.parametrize("mode", [Mode.RECOMMEND, Mode.PAUSED])
def test_nothing_is_done_where_it_only_recommends(mode: Mode) -> None:
    policy = Leadtime(changed(scaler_of(5.0), mode=mode))

    wanted = policy.ask(sight(0.0, ready("a"), gpu=100.0, waiting=50.0, arrivals=40.0))

    assert dataclasses.replace(wanted, in_s=None) == Wanted(replicas=1)


def test_no_more_is_asked_for_beside_a_pod_that_no_node_takes() -> None:
    policy = Leadtime(scaler_of(5.0))
    pods = ready("a"), PodSight(name="b", created_at=0.0)

    # Waiting since 0: at 120 s it is frozen, and before that it may grow.
    wanted = {now: policy.ask(sight(now, *pods, gpu=100.0, waiting=60.0, arrivals=40.0)).replicas for now in (100.0, 130.0)}

    assert wanted[100.0] > 2
    # The fleet did not follow, so that the number is as it was.
    assert wanted[130.0] == 2


def test_terminating_pods_are_not_there() -> None:
    records: list[Record] = []
    policy = Leadtime(scaler_of(5.0), on_decision=records.append)

    policy.ask(sight(0.0, ready("a"), dataclasses.replace(ready("b"), terminating=True), replicas=1, gpu=50.0))

    assert records[0].observation.pods.ready == 1
    assert records[0].observation.status_replicas == 1


def test_schedules_follow_the_hour_of_the_day() -> None:
    at_night = Schedule(name="night", start="0 22 * * *", end="0 6 * * *", min_replicas=4)
    scaler = dataclasses.replace(scaler_of(5.0), schedules=(at_night,))
    noon = 12 * 3600
    policy = Leadtime(scaler, start_s=noon, zones={"UTC": dt.UTC})

    wanted = [policy.ask(sight(at, ready("a"), gpu=50.0, waiting=0.0, arrivals=4.0)).replicas for at in (0.0, 11 * 3600.0)]

    assert wanted[0] == 1
    assert wanted[1] > 1


def test_its_times_are_whole_seconds_as_kubernetes_writes_them() -> None:
    records: list[Record] = []
    policy = Leadtime(scaler_of(5.0), on_decision=records.append)
    pod = PodSight(name="b", created_at=10.9, scheduled_at=11.2, started_at=12.0)
    policy.ask(sight(20.0, ready("a"), pod, gpu=50.0))

    policy.ask(sight(60.0, ready("a"), dataclasses.replace(pod, ready_at=55.1), gpu=50.0))

    # 10 to 55: after one start the prior's 45 s and it make one median.
    assert policy.startup.p50_s == pytest.approx(45.0)


# ── what it is made from ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_scaler_of_comparisons_is_the_products_defaults() -> None:
    def metric(kind: str, name: str, value: str) -> dict[str, Any]:
        return {"type": kind, kind.lower(): {"metric": {"name": name}, "target": {"type": "AverageValue", "averageValue": value}}}

    document = {
        "apiVersion": "leadtime.dev/v1alpha1",
        "kind": "InferenceScaler",
        "metadata": {"name": "target", "namespace": "simulation", "uid": "target", "generation": 1},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "target"},
            "mode": "Auto",
            "minReplicas": 2,
            "maxReplicas": 9,
            "metrics": [
                metric("Pods", "DCGM_FI_DEV_GPU_UTIL", "70"),
                metric("Pods", "inference_queue_size", "10"),
                metric("External", "inference_request_rate", "2500m"),
            ],
        },
    }

    assert scaler_of(2.5, min_replicas=2, max_replicas=9) == policies.read(document, known_zone=lambda _: True)
