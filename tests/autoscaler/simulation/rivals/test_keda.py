"""KEDA polls for zero and leaves the rest to an HPA; every number is worked out from its documented rules."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.rivals import horizontal, hpa, keda
from autoscaler.simulation.rivals.keda import Fallback, FallbackBehavior, Keda, Settings, Trigger
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import Sight, TotalMetric
from tests.autoscaler.simulation.rivals.sights import sight

#: 2 requests a second for each pod.
ARRIVALS = Metric(measures=(TotalMetric.ARRIVALS,), target=2.0, type=MetricType.EXTERNAL)


def settings(
    *,
    least: int = 0,
    most: int = 20,
    idle: int | None = None,
    threshold: float = 0.0,
    ignore_null_values: bool = True,
    fallback: Fallback | None = None,
    initial_cooldown_s: float = 0.0,
) -> Settings:
    return Settings(
        triggers=(Trigger(metric=ARRIVALS, activation_threshold=threshold, ignore_null_values=ignore_null_values),),
        min_replica_count=least,
        max_replica_count=most,
        idle_replica_count=idle,
        fallback=fallback,
        initial_cooldown_period_s=initial_cooldown_s,
    )


def seen(now: float, replicas: int, rate: float | None) -> Sight:
    return sight(now, replicas, total={} if rate is None else {TotalMetric.ARRIVALS: rate})


class Life:
    """A target under KEDA, whose pods are there as soon as they are asked for."""

    def __init__(self, settings: Settings, replicas: int) -> None:
        self.keda, self.replicas, self.now = Keda(settings), replicas, 0.0
        self.changes: list[tuple[float, int]] = []

    def until(self, end: float, rate: float | None) -> "Life":
        """Let time pass up to *end*, in which so many requests come per second; None: nobody says."""
        while self.now < end:
            wanted = self.keda.ask(seen(self.now, self.replicas, rate))
            if wanted.replicas != self.replicas:
                self.changes.append((self.now, wanted.replicas))
            self.replicas = wanted.replicas
            assert wanted.in_s is not None
            self.now += wanted.in_s
        return self


# ── from zero, and to zero ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_poll_activates_one_pod_and_the_next_sync_asks_for_the_rest() -> None:
    life = Life(settings(), 0).until(60.0, 0.0).until(120.0, 9.0)

    # The poll at 60 s sees 9 > 0. The HPA syncs at 7.5 s and every 15 s: at 67.5 s, 9 ÷ 2 rounds up to 5, and 1 + 4 may be added.
    assert life.changes == [(60.0, 1), (67.5, 5)]


def test_a_minimum_above_one_is_what_it_activates() -> None:
    life = Life(settings(least=3, idle=0), 0).until(30.0, 5.0)

    assert life.changes == [(0.0, 3)]


def test_a_value_at_the_activation_threshold_does_not_activate() -> None:
    assert Life(settings(threshold=0.5), 0).until(120.0, 0.5).changes == []
    assert Life(settings(threshold=0.5), 0).until(120.0, 0.6).changes[0] == (0.0, 1)


def test_after_the_cool_down_it_jumps_to_zero_in_one_step_past_the_hpas_own_window() -> None:
    life = Life(settings(), 6).until(90.0, 12.0).until(600.0, 0.0)

    # Last active at the poll at 60 s; 60 + 300 < now first holds at the poll at 390 s. The HPA's window of five minutes holds its
    # six from its last sync with load, at 82.5 s, for less than 300 s: it would go down at 382.5 s, to 1.
    assert life.changes == [(382.5, 1), (390.0, 0)]

    slow = Settings(
        triggers=(Trigger(metric=ARRIVALS),),
        scale_down=horizontal.ScalingRules(window_s=3600, policies=hpa.SCALE_DOWN.policies),
    )
    assert Life(slow, 6).until(90.0, 12.0).until(600.0, 0.0).changes == [(390.0, 0)]


def test_a_target_that_was_never_active_goes_to_zero_at_once_or_after_the_initial_cool_down() -> None:
    assert Life(settings(), 3).until(300.0, 0.0).changes == [(0.0, 0)]
    # The poll at 120 s is the first at or after 100 s.
    assert Life(settings(initial_cooldown_s=100.0), 1).until(300.0, 0.0).changes == [(120.0, 0)]


def test_a_request_during_the_cool_down_begins_it_anew() -> None:
    life = Life(settings(), 1).until(15.0, 1.0).until(200.0, 0.0).until(230.0, 1.0).until(600.0, 0.0)

    # Active at the polls at 0 s and at 210 s: 210 + 300 < now first holds at 540 s.
    assert life.changes == [(540.0, 0)]


def test_the_idle_count_is_left_for_the_minimum_and_returned_to_after_the_cool_down() -> None:
    life = Life(settings(least=4, idle=2), 2).until(30.0, 1.0).until(400.0, 0.0)

    # Two pods are fewer than the minimum of the HPA, which lifts them at its next sync: KEDA's known oscillation.
    assert life.changes == [(0.0, 4), (330.0, 2), (337.5, 4), (360.0, 2), (367.5, 4), (390.0, 2), (397.5, 4)]


def test_between_the_minimum_and_the_maximum_inactivity_changes_nothing() -> None:
    life = Life(settings(least=2), 2).until(3600.0, 0.0)

    assert life.changes == []


def test_a_number_below_the_minimum_is_lifted_by_the_poll() -> None:
    assert Life(settings(least=2), 1).until(30.0, 0.0).changes == [(0.0, 2)]


# ── when the source is lost ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_with_its_defaults_a_query_without_a_result_is_zero_and_ends_at_zero() -> None:
    life = Life(settings(), 4).until(30.0, 8.0).until(400.0, None)

    # Active at 0 s only; 0 + 300 < now first holds at 330 s, while the HPA saw its load last at 22.5 s and holds it to 322.5 s.
    assert life.changes == [(322.5, 1), (330.0, 0)]


def test_a_failing_trigger_holds_what_there_is() -> None:
    life = Life(settings(ignore_null_values=False), 4).until(30.0, 8.0).until(7200.0, None)

    assert life.changes == []


@pytest.mark.parametrize(
    ("behavior", "replicas", "wanted"),
    [
        (FallbackBehavior.STATIC, 8, 5),
        (FallbackBehavior.CURRENT_REPLICAS, 8, 8),
        (FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER, 8, 8),
        (FallbackBehavior.CURRENT_REPLICAS_IF_HIGHER, 3, 5),
        (FallbackBehavior.CURRENT_REPLICAS_IF_LOWER, 8, 5),
        (FallbackBehavior.CURRENT_REPLICAS_IF_LOWER, 3, 3),
    ],
)
def test_past_the_failure_threshold_a_trigger_says_what_the_fallback_would_need(
    behavior: FallbackBehavior, replicas: int, wanted: int
) -> None:
    fallback = Fallback(failure_threshold=3, replicas=5, behavior=behavior)
    life = Life(settings(ignore_null_values=False, fallback=fallback), replicas)

    life.until(22.0, None)  # a poll and a sync: two failures
    assert life.replicas == replicas

    life.until(700.0, None)
    assert life.replicas == wanted  # 2 × 5 ÷ 2, or of what there is


def test_polls_and_syncs_both_count_failures() -> None:
    fallback = Fallback(failure_threshold=3, replicas=8)
    life = Life(settings(ignore_null_values=False, fallback=fallback), 4).until(60.0, None)

    # Failures at 0 (poll), 7.5, 22.5 (syncs) and 30 s (poll): the fourth is past three, so the sync at 37.5 s asks for 2 × 8 ÷ 2.
    assert life.changes == [(37.5, 8)]


def test_an_answer_ends_the_count_of_failures() -> None:
    fallback = Fallback(failure_threshold=3, replicas=8)
    life = Life(settings(ignore_null_values=False, fallback=fallback), 4)

    for start in range(0, 600, 60):
        life.until(start + 30.0, None).until(start + 60.0, 8.0)

    assert life.changes == []


def test_a_fallback_to_zero_does_not_keep_a_failing_target_alive() -> None:
    fallback = Fallback(failure_threshold=100, replicas=0)
    life = Life(settings(ignore_null_values=False, fallback=fallback), 4).until(15.0, 8.0).until(400.0, None)

    assert life.changes == [(330.0, 0)]  # the first poll with 0 + 300 < now


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.one_of(st.none(), st.floats(0.0, 100.0)), max_size=20), st.integers(0, 3), st.booleans())
def test_it_never_leaves_its_bounds(rates: list[float | None], least: int, nulls: bool) -> None:
    life = Life(settings(least=least, most=10, ignore_null_values=nulls), max(least, 1))

    for index, rate in enumerate(rates):
        life.until(40.0 * (index + 1), rate)
        assert least <= life.replicas <= 10


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: settings(least=2, idle=2), "must be below minReplicaCount"),
        (lambda: settings(least=5, most=4), "minReplicaCount 5 <= maxReplicaCount 4"),
        (lambda: Trigger(metric=Metric(measures=(TotalMetric.ARRIVALS,), target=1.0)), "make the metric External"),
        (lambda: Settings(triggers=()), "at least one trigger"),
    ],
)
def test_what_its_admission_refuses_is_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_it_holds_no_requests() -> None:
    assert not keda.Keda(settings()).holds_requests
