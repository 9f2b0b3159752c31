"""The HPA policy is `horizontal`, shown what the metrics path delivers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.rivals import horizontal, hpa
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodMetric, PodSight, Sample, Sight, TotalMetric
from tests.autoscaler.simulation.rivals.sights import pod, sight

WAITING = Metric(measures=(PodMetric.WAITING,), target=10.0)
ARRIVALS = Metric(measures=(TotalMetric.ARRIVALS,), target=2.5, type=MetricType.EXTERNAL)


def policy(*metrics: Metric, least: int = 1, most: int = 40) -> hpa.Hpa:
    return hpa.Hpa(hpa.Settings(metrics=metrics or (WAITING,), min_replicas=least, max_replicas=most))


@st.composite
def pods(draw: st.DrawFn) -> tuple[PodSight, ...]:
    states = draw(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=8))
    return tuple(
        pod(f"p{number}", running=running, ready=ready, terminating=terminating)
        for number, (running, ready, terminating) in enumerate(states)
    )


@st.composite
def sights(draw: st.DrawFn) -> list[Sight]:
    """Sights 15 s apart, whose replicas are set by whoever is asked."""
    values = st.floats(0.0, 100.0)
    seen = []
    for tick in range(draw(st.integers(1, 8))):
        now, there = 15.0 * tick, draw(pods())
        showing = [each.name for each in there if draw(st.booleans())]
        rate = draw(st.one_of(st.none(), values))
        seen.append(
            Sight(
                now=now,
                replicas=0,
                pods=there,
                per_pod={PodMetric.WAITING: {name: Sample(draw(values), now) for name in showing}},
                total={} if rate is None else {TotalMetric.ARRIVALS: Sample(rate, now)},
            )
        )
    return seen


def replaced(seen: Sight, replicas: int) -> Sight:
    return Sight(now=seen.now, replicas=replicas, pods=seen.pods, per_pod=seen.per_pod, total=seen.total)


@given(sights(), st.integers(1, 5), st.integers(0, 20))
def test_it_sets_what_the_ported_controller_sets(history: list[Sight], least: int, more: int) -> None:
    asked = policy(WAITING, ARRIVALS, least=least, most=least + more)
    controller = horizontal.Autoscaler(
        horizontal.Spec(
            min_replicas=least,
            max_replicas=least + more,
            metrics=(
                horizontal.Metric(type=horizontal.MetricType.PODS, target_milli=10_000),
                horizontal.Metric(type=horizontal.MetricType.EXTERNAL, target_milli=2_500),
            ),
        )
    )
    replicas = least
    for seen in history:
        waiting = {name: round(sample.value * 1000) for name, sample in seen.per_pod[PodMetric.WAITING].items()}
        rate = seen.total.get(TotalMetric.ARRIVALS)
        world = horizontal.World(
            now_ns=round(seen.now) * 1_000_000_000,
            replicas=replicas,
            status_replicas=sum(not each.terminating for each in seen.pods),
            pods=tuple(
                horizontal.Pod(
                    name=each.name,
                    phase=horizontal.Phase.PENDING if each.started_at is None else horizontal.Phase.RUNNING,
                    ready=each.ready_at is not None,
                    terminating=each.terminating,
                )
                for each in seen.pods
            ),
            answers=(waiting, None if rate is None else (round(rate.value * 1000),)),
        )

        wanted = asked.ask(replaced(seen, replicas))

        replicas = controller.sync(world)
        assert wanted.replicas == replicas


@given(sights(), st.integers(1, 5), st.integers(0, 20))
def test_it_never_leaves_its_bounds(history: list[Sight], least: int, more: int) -> None:
    asked, replicas = policy(WAITING, ARRIVALS, least=least, most=least + more), least

    for seen in history:
        replicas = asked.ask(replaced(seen, replicas)).replicas
        assert least <= replicas <= least + more


def test_its_defaults_are_the_ones_that_the_api_server_fills_in() -> None:
    filled_in = horizontal.Spec(max_replicas=1, metrics=())

    assert (filled_in.scale_up, filled_in.scale_down) == (hpa.SCALE_UP, hpa.SCALE_DOWN)


def test_pods_that_start_are_counted_as_idle_on_the_way_up() -> None:
    # Two pods with 30 of 10 and two that run but are not ready and show nothing: (30 + 30 + 0 + 0) / 4 = 15, 4 × 1.5 = 6,
    # where the two by themselves would ask for 2 × 3 = 6 as well; with 12 of 10 they would ask for 3, and four pods are enough.
    assert policy().ask(sight(0.0, 4, {PodMetric.WAITING: [30.0, 30.0]}, starting=2)).replicas == 6
    assert policy().ask(sight(0.0, 4, {PodMetric.WAITING: [12.0, 12.0]}, starting=2)).replicas == 4


def test_a_metric_of_the_whole_target_knows_nothing_of_pods_that_start() -> None:
    # 25 per second ÷ 2.5 for each pod = 10, though six of the eight pods only start and would do; doubling allows 16.
    assert policy(ARRIVALS).ask(sight(0.0, 8, total={TotalMetric.ARRIVALS: 25.0}, starting=6)).replicas == 10


def test_without_any_value_it_stays() -> None:
    assert policy().ask(sight(0.0, 7)).replicas == 7


def test_it_goes_down_five_minutes_after_the_load() -> None:
    asked, replicas, course = policy(), 8, []
    for tick in range(23):
        value = 10.0 if tick == 0 else 1.0
        replicas = asked.ask(sight(15.0 * tick, replicas, {PodMetric.WAITING: [value] * replicas})).replicas
        course.append(replicas)

    # At 0 s it asked for 8, and that counts for less than 300 s: at 300 s, the tick 20, 8 × 1/10 rounds up to 1.
    assert course == [8] * 20 + [1] * 3


def test_it_does_not_go_to_zero() -> None:
    with pytest.raises(ValueError, match="does not go to zero"):
        policy(least=0)
