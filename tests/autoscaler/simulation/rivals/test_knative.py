"""KPA's windows, its panic, and its way to zero; every number is worked out from its documented rules."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.rivals.knative import Kpa, Settings, Window
from autoscaler.simulation.sight import PodMetric, TotalMetric
from tests.autoscaler.simulation.rivals.sights import sight


class Life:
    """A revision whose pods are there *startup_s* after they are asked for, asked once a second."""

    def __init__(self, replicas: int = 1, *, startup_s: float = 0.0, **given: float) -> None:
        # 10 requests a pod at 70 %: the target is 7.
        self.kpa = Kpa(Settings(**{"container_concurrency": 10.0, **given}))  # type: ignore[arg-type]
        self.replicas, self.startup_s = replicas, startup_s
        self.ready_at = [0.0] * replicas
        self.now, self.course = 0, dict[int, int]()

    def until(self, end: int, requests: float | None) -> "Life":
        """Let time pass up to *end* with so many requests inside; None: no scrape succeeds."""
        while self.now < end:
            ready = sum(at <= self.now for at in self.ready_at)
            shown, held = {}, 0.0
            if requests is not None:
                if ready:
                    shown = {PodMetric.RUNNING: [requests / ready] * ready, PodMetric.WAITING: [0.0] * ready}
                else:
                    held = requests
            total = {} if requests is None else {TotalMetric.HELD: held}
            wanted = self.kpa.ask(sight(float(self.now), self.replicas, shown, total=total, starting=self.replicas - ready))
            if wanted.replicas != self.replicas:
                self.course[self.now] = wanted.replicas
            self.ready_at = [*self.ready_at, *[self.now + self.startup_s] * wanted.replicas][: wanted.replicas]
            self.replicas = wanted.replicas
            self.now += 1
        return self


# ── windows ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_young_window_is_the_mean_of_what_it_has() -> None:
    window = Window(60)

    for second in range(6):
        window.record(float(second), 12.0)

    assert window.mean(5.9) == 12.0  # six seconds of 12, not of sixty


def test_values_of_one_second_add_up() -> None:
    window = Window(60)

    window.record(3.1, 4.0)
    window.record(3.9, 5.0)

    assert window.mean(3.9) == 9.0


def test_a_gap_within_the_window_counts_as_nothing() -> None:
    window = Window(10)

    window.record(0.0, 8.0)
    window.record(3.0, 8.0)

    assert window.mean(3.0) == 4.0  # 16 over the seconds 0 to 3


def test_silence_at_the_end_shortens_the_window() -> None:
    window = Window(10)

    for second in range(10):
        window.record(float(second), float(second))

    assert window.mean(13.0) == 6.5  # 4 to 9 are left: 39 ÷ 6


def test_after_a_window_of_silence_there_is_nothing_and_then_no_data() -> None:
    window = Window(10)

    window.record(0.0, 8.0)

    assert window.mean(10.0) == 0.0
    assert window.mean(11.0) is None
    window.record(11.0, 2.0)
    assert window.mean(11.0) == 2.0  # it begins anew


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.0, 1000.0)), min_size=1, max_size=80), st.integers(1, 20))
def test_a_window_is_what_a_look_at_all_values_gives(steps: list[tuple[int, float]], size: int) -> None:
    window, sums, now, first, last = Window(size), dict[int, float](), 0, None, None
    for step, value in steps:
        now += step
        if last is None or now - last >= size:
            sums, first = {}, now
        sums[now] = sums.get(now, 0.0) + value
        last = now
        window.record(now + 0.25, value)
    assert first is not None

    # Every second from the first one, as far as the window reaches back.
    begin = max(first, now - size + 1)
    expected = sum(sums.get(second, 0.0) for second in range(begin, now + 1)) / (now - begin + 1)
    assert window.mean(now + 0.5) == pytest.approx(expected, abs=1e-6)


# ── stable and panic ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_follows_the_total_of_requests_over_the_target() -> None:
    life = Life(2).until(200, 18.0)

    assert life.replicas == 3  # 18 ÷ 7 = 2.6


def test_it_takes_a_few_pods_to_stand_for_all() -> None:
    kpa = Kpa(Settings(container_concurrency=10.0))

    # Two of four ready pods answer, with 9 and 12: 42 in all, 6 pods. One more that starts does not count.
    shown = {PodMetric.RUNNING: [9.0, 10.0], PodMetric.WAITING: [0.0, 2.0]}

    assert kpa.ask(sight(0.0, 5, shown, starting=1)).replicas == 6


def test_a_burst_is_followed_within_the_panic_window() -> None:
    life = Life(1).until(120, 7.0).until(130, 70.0)

    # At 120 s six seconds hold 5 × 7 and 70: 17.5, 3 pods of 7, and 3/1 ≥ 2 is panic. The pods are there at once, and at 122 s
    # (3 × 7 + 3 × 70) ÷ 6 = 38.5 asks for 6, at 124 s 59.5 for 9, at 126 s 70 for 10.
    assert life.course == {120: 3, 122: 6, 124: 9, 126: 10}


def test_below_twice_the_capacity_the_stable_window_decides() -> None:
    life = Life(10).until(120, 70.0).until(132, 100.0)

    # 100 ÷ 7 = 15 is not twice 10. After 11 s of 100 in the minute, at 130 s: (49 × 70 + 11 × 100) ÷ 60 = 75.5, 11 pods.
    assert life.course[min(life.course)] == 11
    assert max(life.course.values()) == 11


def test_panic_holds_for_a_stable_window_after_the_last_moment_above_the_threshold() -> None:
    life = Life(1).until(120, 7.0).until(121, 70.0).until(300, 0.0)

    # Panic from 120 s (3 pods wanted by the 17.5 of six seconds). At 122 s the mean of 5, … is (3 × 7 + 70) ÷ 6 = 15.2, 3 pods of
    # 3: not twice. 120 + 60 < now first holds at 182 s; by then the minute's window is empty of it, and half of three may go.
    assert life.course[120] == 3
    assert [number for at, number in life.course.items() if 120 < at < 182] == []
    assert life.course[182] == 1  # floor(3 / 2)


def test_it_starts_in_panic_with_the_pods_that_are_ready() -> None:
    life = Life(5).until(100, 7.0)

    assert life.course == {62: 2, 64: 1}  # 0 + 60 < now, then by halves


def test_it_halves_at_most() -> None:
    life = Life(9).until(70, 0.0)

    assert list(life.course.values())[:3] == [4, 2, 1]


def test_pods_that_start_keep_the_panic_on() -> None:
    life = Life(1, startup_s=45.0).until(120, 7.0).until(200, 70.0)

    # The ready pods decide: 10 are wanted of 1 at 126 s, and no more while they start.
    assert life.replicas == 10
    assert max(life.course.values()) == 10


def test_without_data_it_holds() -> None:
    life = Life(3).until(100, 20.0).until(1000, None)

    assert life.replicas == 3
    assert not life.course


def test_a_delay_of_scale_down_holds_the_largest_number_of_the_delay() -> None:
    life = Life(1, scale_down_delay_s=300.0, min_scale=1).until(200, 6.0).until(260, 20.0).until(800, 6.0)

    # Above 14 in the minute's mean until 286 s or so: three pods leave no earlier than 300 s after they were last wanted.
    downs = [at for at, number in life.course.items() if number < 3 and at > 260]
    assert downs
    assert min(downs) > 560


# ── zero ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_goes_to_zero_a_stable_window_and_a_grace_after_the_last_request() -> None:
    life = Life(1, target_burst_capacity=0.0).until(100, 5.0).until(300, 0.0)

    # The minute's last request leaves its window at 159 s, so the tick at 160 s wants none: inactive, and 30 s later gone.
    assert life.course == {190: 0}


def test_an_activator_that_has_long_been_in_the_path_makes_the_grace_unnecessary() -> None:
    life = Life(1).until(100, 5.0).until(300, 0.0)

    # 1 × 10 − 211 < 0: it is in the path from the beginning, so the tick after the one that found it inactive goes to zero.
    assert life.course == {162: 0}


def test_the_last_pod_is_retained_as_long_as_said() -> None:
    life = Life(1, pod_retention_s=200.0).until(100, 5.0).until(600, 0.0)

    assert life.course == {360: 0}  # inactive at 160 s


def test_a_held_request_wakes_it_at_once() -> None:
    life = Life(0).until(31, 0.0).until(40, 1.0)

    assert life.course == {31: 1}  # not at the tick of 32 s


def test_it_does_not_return_to_zero_before_it_was_active_for_a_stable_window() -> None:
    life = Life(0, startup_s=20.0).until(31, 0.0).until(33, 1.0).until(300, 0.0)

    # One pod from 31 s, ready at 51 s, active at the tick of 52 s; nobody is there any more. Inactive at 112 s, gone at 114 s.
    assert life.course == {31: 1, 114: 0}


def test_a_pod_that_never_gets_ready_is_given_up_half_a_minute_after_its_progress_deadline() -> None:
    life = Life(0, startup_s=9000.0).until(30, 0.0).until(33, 1.0).until(800, 0.0)

    # Activating since 30 s; 600 s + 30 s later, at 660 s, nobody has waited for a long time.
    assert life.course == {30: 1, 660: 0}


def test_a_minimum_scale_is_kept() -> None:
    assert Life(3, min_scale=2).until(600, 0.0).replicas == 2


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.one_of(st.none(), st.floats(0.0, 500.0)), max_size=12), st.integers(0, 3), st.integers(0, 90))
def test_it_never_leaves_its_bounds(loads: list[float | None], least: int, startup_s: int) -> None:
    life = Life(max(least, 1), startup_s=float(startup_s), min_scale=least, max_scale=8)

    for index, requests in enumerate(loads):
        life.until(15 * (index + 1), requests)
        assert least <= life.replicas <= 8


def test_its_activator_holds_requests_and_it_scrapes_every_second() -> None:
    kpa = Kpa(Settings())

    assert kpa.holds_requests
    assert kpa.path is not None
    assert kpa.path.scrape_s == 1.0


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="max-scale 2"):
        Settings(min_scale=3, max_scale=2)
    with pytest.raises(ValueError, match="rates must be above 1"):
        Settings(max_scale_down_rate=1.0)
