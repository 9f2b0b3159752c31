"""Kthena's recommendation, its corrections, and its quirks; every number is worked out from its source's rules."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.rivals.kthena import Collection, Kthena, Panic, Select, Settings, Steps
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodMetric, TotalMetric
from tests.autoscaler.simulation.rivals.sights import sight

WAITING = Metric(measures=(PodMetric.WAITING,), target=10.0)
ARRIVALS = Metric(measures=(TotalMetric.ARRIVALS,), target=2.0, type=MetricType.EXTERNAL)
PER_POD, SUMMED = Collection.PER_POD, Collection.SUMMED
UNLIMITED = Steps(instances=1000, percent=1000, period_s=0.0, window_s=0.0)


def asked(replicas: int, value: float, collection: Collection, *, starting: int = 0, leaving: int = 0) -> int:
    """Return what one pass says of *replicas* pods, each ready one with *value* of 10."""
    settings = Settings(metrics=(WAITING,), max_replicas=100, collection=collection, scale_up=UNLIMITED, scale_down=UNLIMITED)
    shown = {PodMetric.WAITING: [value] * (replicas - starting)}
    return Kthena(settings).ask(sight(0.0, replicas, shown, starting=starting, leaving=leaving)).replicas


class Life:
    """A target whose pods are there as soon as they are asked for, looked at every 15 s."""

    def __init__(self, replicas: int, settings: Settings) -> None:
        self.kthena, self.replicas, self.now, self.course = Kthena(settings), replicas, 0, dict[int, int]()

    def until(self, end: int, total: float) -> "Life":
        """Let time pass up to *end* with so many requests waiting, shared evenly."""
        while self.now < end:
            shown = {PodMetric.WAITING: [total / self.replicas] * self.replicas}
            wanted = self.kthena.ask(sight(float(self.now), self.replicas, shown)).replicas
            if wanted != self.replicas:
                self.course[self.now] = wanted
            self.replicas = wanted
            self.now += 15
        return self


# ── the recommendation ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "as_shipped", "as_meant"),
    [
        (15.0, 6, 6),  # 60 ÷ 10; 4 × 1.5
        (10.9, 5, 4),  # 43.6 ÷ 10 = 4.4; a ratio of 1.09 is within the tolerance of a tenth
        (9.5, 4, 4),  # 3.8; 0.95
        (7.0, 3, 3),  # 2.8
        (2.5, 4, 1),  # the total of 10 is one pod's target: "within tolerance" of it, four pods stay; 4 × 0.25
    ],
)
def test_as_shipped_the_tolerance_is_about_the_total_and_one_pods_target(value: float, as_shipped: int, as_meant: int) -> None:
    assert asked(4, value, SUMMED) == as_shipped
    assert asked(4, value, PER_POD) == as_meant


def test_pods_that_start_count_as_nothing_on_the_way_up_and_not_at_all_on_the_way_down() -> None:
    # Two ready pods with 30 and two that start: (30 + 30) ÷ 4 = 15, 4 × 1.5 = 6.
    assert asked(4, 30.0, PER_POD, starting=2) == 6
    # With 18 each the four have 9 on average, which turns the direction round: they stay.
    assert asked(4, 18.0, PER_POD, starting=2) == 4
    # With 2 each, two ready pods need 2 × 0.2 = 0.4.
    assert asked(4, 2.0, PER_POD, starting=2) == 1
    # As shipped the two ready pods are one with 60: 60 ÷ 3 = 20, 3 × 2 = 6.
    assert asked(4, 30.0, SUMMED, starting=2) == 6


@pytest.mark.parametrize("collection", Collection)
def test_while_a_pod_is_on_its_way_out_nothing_is_decided(collection: Collection) -> None:
    assert asked(4, 50.0, collection, leaving=1) == 4


@pytest.mark.parametrize("collection", Collection)
def test_while_a_ready_pod_does_not_answer_nothing_is_decided(collection: Collection) -> None:
    kthena = Kthena(Settings(metrics=(WAITING,), max_replicas=100, collection=collection))

    assert kthena.ask(sight(0.0, 4, {PodMetric.WAITING: [50.0] * 3})).replicas == 4


def test_a_value_of_the_whole_target_is_shared_out_with_tolerance() -> None:
    settings = Settings(metrics=(ARRIVALS,), max_replicas=100)

    # 17 ÷ 2 = 8.5 of 8 is 1.06; 18 ÷ 2 = 9 of 8 is 1.125.
    assert Kthena(settings).ask(sight(0.0, 8, total={TotalMetric.ARRIVALS: 17.0})).replicas == 8
    assert Kthena(settings).ask(sight(0.0, 8, total={TotalMetric.ARRIVALS: 18.0})).replicas == 9
    assert Kthena(settings).path is None  # not read from pods


def test_the_larger_of_two_metrics_rules_and_one_that_fails_is_left_out() -> None:
    settings = Settings(metrics=(WAITING, ARRIVALS), max_replicas=100)
    shown = {PodMetric.WAITING: [15.0] * 4}

    assert Kthena(settings).ask(sight(0.0, 4, shown, total={TotalMetric.ARRIVALS: 14.0})).replicas == 7
    assert Kthena(settings).ask(sight(0.0, 4, shown)).replicas == 6


# ── corrections ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_with_its_defaults_it_doubles_or_adds_four_in_a_minute() -> None:
    life = Life(2, Settings(metrics=(WAITING,), max_replicas=100)).until(60, 20.0).until(240, 400.0)

    # The lowest level of the last minute is 2 at 60 s: 2 + 4 is more than 2 × 2. A level is as old as its end: the 2 ended at
    # 60 s and counts up to 120 s, so at 135 s the lowest is 6, and twice that is 12; 24 another 75 s later.
    assert life.course == {60: 6, 135: 12, 210: 24}


def test_both_limits_hold_where_both_must() -> None:
    steps = Steps(instances=4, percent=100, period_s=60.0, window_s=0.0, select=Select.AND)
    life = Life(2, Settings(metrics=(WAITING,), max_replicas=100, scale_up=steps)).until(60, 20.0).until(75, 400.0)

    assert life.course == {60: 4}  # 2 + 4 and 2 × 2


def test_with_its_defaults_it_goes_down_at_once_after_five_minutes() -> None:
    life = Life(8, Settings(metrics=(WAITING,), max_replicas=100)).until(15, 80.0).until(600, 25.0)

    # 8 was recommended at 0 s, and what is exactly 300 s old still counts: at 315 s 25 ÷ 10 asks for 3.
    assert life.course == {315: 3}


def test_a_window_on_the_way_up_follows_the_lowest_of_it() -> None:
    steps = Steps(instances=100, percent=100, period_s=60.0, window_s=30.0)
    life = Life(2, Settings(metrics=(WAITING,), max_replicas=100, scale_up=steps)).until(60, 20.0).until(120, 80.0)

    assert life.course == {90: 8}  # at 75 s, the 2 of 45 s still counts


def test_in_panic_growth_is_only_held_to_the_panics_own_limit_and_nothing_goes_down() -> None:
    panic = Panic(percent=1000, period_s=60.0, threshold_percent=200, hold_s=60.0)
    slow = Steps(instances=1, percent=0, period_s=60.0, window_s=0.0)
    settings = Settings(metrics=(WAITING,), max_replicas=100, scale_up=slow, scale_down=UNLIMITED, panic=panic)
    life = Life(2, settings).until(60, 20.0).until(75, 400.0).until(180, 25.0)

    # 40 is twice two and more: panic up to 120 s, and 2 + 1000 % = 22. It asks for 3 from 75 s on and gets it at 135 s.
    assert life.course == {60: 22, 135: 3}


def test_with_its_defaults_there_is_no_panic() -> None:
    assert Settings(metrics=(WAITING,), max_replicas=100).panic.hold_s == 0.0


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.lists(st.floats(0.0, 500.0), max_size=30),
    st.sampled_from(Collection),
    st.sampled_from([Panic(), Panic(percent=1000, period_s=30.0, hold_s=60.0)]),
)
def test_it_never_leaves_its_bounds(totals: list[float], collection: Collection, panic: Panic) -> None:
    settings = Settings(metrics=(WAITING,), min_replicas=2, max_replicas=9, collection=collection, panic=panic)
    life = Life(3, settings)
    for index, total in enumerate(totals):
        life.until(15 * (index + 1), total)
        assert 2 <= life.replicas <= 9


@pytest.mark.parametrize(("replicas", "wanted"), [(1, 2), (12, 9)])
def test_outside_its_bounds_it_returns_to_them(replicas: int, wanted: int) -> None:
    settings = Settings(metrics=(WAITING,), min_replicas=2, max_replicas=9)

    assert Kthena(settings).ask(sight(0.0, replicas)).replicas == wanted


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Settings(metrics=(), max_replicas=1), "at least one metric"),
        (lambda: Settings(metrics=(WAITING,), min_replicas=0, max_replicas=2), "1 <= minReplicas 0"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], Settings], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()
