"""APA's ratio, rates, window and stabiliser, as shipped and mended; every number is worked out from its source's rules."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.rivals.aibrix import Apa, Settings, Stabilizer
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodMetric, TotalMetric
from tests.autoscaler.simulation.rivals.sights import sight

RUNNING = Metric(measures=(PodMetric.RUNNING,), target=10.0)
WAITING = Metric(measures=(PodMetric.WAITING,), target=5.0)


def asked(replicas: int, value: float, *, starting: int = 0, **given: float) -> int:
    """Return what a first reconciliation says of *replicas* pods, each with *value* of 10."""
    apa = Apa(Settings(metrics=(RUNNING,), max_replicas=100, **given))  # type: ignore[arg-type]
    return apa.ask(sight(0.0, replicas, {PodMetric.RUNNING: [value] * (replicas - starting)}, starting=starting)).replicas


class Life:
    """A target whose pods are there as soon as they are asked for, reconciled every 10 s."""

    def __init__(self, replicas: int, stabilizer: Stabilizer = Stabilizer.AS_SHIPPED, **given: float) -> None:
        self.apa = Apa(Settings(metrics=(RUNNING,), max_replicas=100, stabilizer=stabilizer, **given))  # type: ignore[arg-type]
        self.replicas, self.now, self.course = replicas, 0, dict[int, int]()

    def until(self, end: int, value: float | None) -> "Life":
        while self.now < end:
            shown = {} if value is None else {PodMetric.RUNNING: [value] * self.replicas}
            wanted = self.apa.ask(sight(float(self.now), self.replicas, shown)).replicas
            if wanted != self.replicas:
                self.course[self.now] = wanted
            self.replicas = wanted
            self.now += 10
        return self


# ── one reconciliation ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("replicas", "value", "wanted"),
    [
        (4, 11.0, 4),  # 1.1 is not above the tolerance
        (4, 11.5, 5),  # 4 × 1.15 = 4.6
        (4, 18.0, 8),  # 7.2
        (4, 55.0, 8),  # 22, but no more than twice in one step
        (4, 9.0, 4),
        (4, 7.0, 3),  # 2.8
        (9, 1.0, 4),  # 0.9 rounds up to 1, but no fewer than floor(9 ÷ 2)
        (1, 0.0, 1),  # the minimum
    ],
)
def test_replicas_follow_the_ratio_by_steps_of_at_most_twice(replicas: int, value: float, wanted: int) -> None:
    assert asked(replicas, value) == wanted


@given(st.integers(1, 60), st.floats(0.0, 1000.0), st.floats(1.0, 4.0), st.floats(1.0, 4.0))
def test_no_step_is_larger_than_its_rates(replicas: int, value: float, up: float, down: float) -> None:
    wanted = asked(replicas, value, max_scale_up_rate=up, max_scale_down_rate=down)

    assert int(replicas / down) <= wanted <= -int(-up * replicas // 1)


def test_pods_that_start_are_multiplied_with_the_mean_of_those_that_answer() -> None:
    # Two of six answer, 15 of 10 each: 6 × 1.5 = 9, though the six would carry what the two have.
    assert asked(6, 15.0, starting=4) == 9


def test_the_mean_of_the_last_three_minutes_is_followed() -> None:
    life = Life(4).until(180, 10.0)

    # At 180 s the window has the readings from 0 s on (18 of 10, and one of 40): (180 + 40) ÷ 19 = 11.6, 4 × 1.16 = 4.6.
    assert life.until(190, 40.0).course == {180: 5}


def test_the_larger_of_two_metrics_rules_and_one_that_fails_is_left_out() -> None:
    apa = Apa(Settings(metrics=(RUNNING, WAITING), max_replicas=100))
    both = {PodMetric.RUNNING: [2.0] * 4, PodMetric.WAITING: [8.0] * 4}

    assert apa.ask(sight(0.0, 4, both)).replicas == 7  # 4 × 8/5 = 6.4
    # Without the queue, 4 × 0.2 rounds up to 1, and half of four is two: no guard holds a target down-scaled on half its metrics.
    assert (
        Apa(Settings(metrics=(RUNNING, WAITING), max_replicas=100)).ask(sight(0.0, 4, {PodMetric.RUNNING: [2.0] * 4})).replicas == 2
    )


def test_when_all_metrics_fail_it_stays() -> None:
    assert Life(4).until(100, 10.0).until(1000, None).course == {}


def test_a_value_of_the_whole_target_is_taken_as_a_pods() -> None:
    arrivals = Metric(measures=(TotalMetric.ARRIVALS,), target=10.0, type=MetricType.EXTERNAL)
    apa = Apa(Settings(metrics=(arrivals,), max_replicas=100))

    assert apa.ask(sight(0.0, 3, total={TotalMetric.ARRIVALS: 15.0})).replicas == 5  # 3 × 1.5
    assert apa.path is None  # not read from pods


@pytest.mark.parametrize(("replicas", "wanted"), [(0, 0), (1, 2), (9, 8)])
def test_outside_its_bounds_it_only_returns_to_them_and_at_zero_it_is_off(replicas: int, wanted: int) -> None:
    apa = Apa(Settings(metrics=(RUNNING,), min_replicas=2, max_replicas=8))

    assert apa.ask(sight(0.0, replicas, {PodMetric.RUNNING: [99.0] * replicas})).replicas == wanted


# ── the stabiliser ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def load(at: int) -> float:
    return 30.0 if 200 <= at < 230 else 10.0 if at < 230 else 8.5


def grown(stabilizer: Stabilizer) -> dict[int, int]:
    """Return the course of two pods whose mean rises for half a minute; the window is one reading."""
    life = Life(2, stabilizer, observe_window_s=5.0)
    while life.now < 900:
        life.until(life.now + 10, load(life.now))
    return life.course


def test_as_shipped_a_dip_after_a_rise_falls_back_to_the_lowest_of_five_minutes() -> None:
    course = grown(Stabilizer.AS_SHIPPED)

    # 30 of 10 doubles at 200, 210 and 220 s: 4, 8, 16. At 230 s 0.85 × 16 asks for 14, but until 190 s it asked for 2: 2 it is.
    assert {at: number for at, number in course.items() if at <= 230} == {200: 4, 210: 8, 220: 16, 230: 2}


def test_mended_the_highest_of_five_minutes_holds() -> None:
    course = grown(Stabilizer.MENDED)

    # 16 was asked for last at 220 s, and counts for less than 300 s: at 520 s the next is the 14 of 230 s.
    assert {at: number for at, number in course.items() if at <= 520} == {200: 4, 210: 8, 220: 16, 520: 14}


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.one_of(st.none(), st.floats(0.0, 200.0)), max_size=30), st.sampled_from(list(Stabilizer)))
def test_it_never_leaves_its_bounds(values: list[float | None], stabilizer: Stabilizer) -> None:
    life = Life(3, stabilizer, min_replicas=2)
    for index, value in enumerate(values):
        life.until(10 * (index + 1), value)
        assert 2 <= life.replicas <= 100


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Settings(metrics=(), max_replicas=1), "at least one metric"),
        (lambda: Settings(metrics=(RUNNING,), min_replicas=3, max_replicas=2), "minReplicas 3 <= maxReplicas 2"),
        (lambda: Settings(metrics=(RUNNING,), max_replicas=2, max_scale_up_rate=0.5), "rates must be 1 or more"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], Settings], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
