"""What was asked for lately holds back what is asked for now."""

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import rates, windows
from autoscaler.decision.model import Behavior, Change, Direction, Rate, RateType, Rule, Select, Span
from autoscaler.decision.trail import Trail

NOW = 10_000.0
BEHAVIOR = Behavior(up=Direction(window_s=60), down=Direction(window_s=300))
TICK_S = 15


def asked(*numbers: int, until: float = NOW - TICK_S) -> tuple[Span, ...]:
    """Return what is remembered of *numbers* asked for tick after tick, the last one at *until*."""
    spans: tuple[Span, ...] = ()
    for index, number in enumerate(numbers):
        spans = windows.record(spans, number, BEHAVIOR, now=until - TICK_S * (len(numbers) - 1 - index))
    return spans


def at(number: int, current: int) -> Trail:
    trail = Trail(current, "it is there")
    trail.set(Rule.DEMAND, number, "asked for")
    return trail


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ticks_that_ask_for_the_same_are_one_span() -> None:
    assert asked(3, 3, 3, 4) == (Span(3, NOW - 60, NOW - 30), Span(4, NOW - 15, NOW - 15))


def test_what_no_window_reaches_is_forgotten_when_something_else_is_asked_for() -> None:
    old = (Span(9, NOW - 900, NOW - 300), Span(3, NOW - 299, NOW - 15))

    assert windows.record(old, 4, BEHAVIOR, now=NOW) == (Span(3, NOW - 299, NOW - 15), Span(4, NOW, NOW))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=400), st.integers(0, 400))
def test_however_much_is_forgotten_the_lowest_and_the_highest_of_a_window_are_kept(numbers: list[int], window: int) -> None:
    wide = Behavior(up=Direction(window_s=10**6), down=Direction(window_s=10**6))
    spans: tuple[Span, ...] = ()
    for tick, number in enumerate(numbers):
        spans = windows.record(spans, number, wide, now=float(tick))
    last = len(numbers) - 1
    cutoff = last - window

    kept = [span.replicas for span in spans if span.until > cutoff]

    assert len(spans) <= 65
    if numbers[max(0, cutoff + 1) :]:
        assert min(kept) == min(numbers[max(0, cutoff + 1) :])
        assert max(kept) == max(numbers[max(0, cutoff + 1) :])


# ── what is held back ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_peak_shorter_than_the_window_raises_nothing() -> None:
    trail = at(7, current=3)

    windows.hold_up(trail, asked(3, 7, 7), BEHAVIOR.up, current=3, now=NOW)

    assert trail.number == 3
    assert trail.steps[-1].why == "3 was enough 45 s ago: more has to be asked for throughout 60 s"


def test_the_number_rises_to_the_lowest_that_was_asked_for_throughout() -> None:
    trail = at(7, current=3)

    windows.hold_up(trail, asked(5, 6, 5, 8), BEHAVIOR.up, current=3, now=NOW)

    assert trail.number == 5


def test_what_is_foreseen_does_not_wait_and_no_more_than_that() -> None:
    trail = at(7, current=3)

    windows.hold_up(trail, asked(3, 7, 7), BEHAVIOR.up, current=3, now=NOW, foreseen=5)

    assert trail.number == 5
    assert trail.steps[-1].why.endswith("throughout 60 s; what is forecast does not wait")


def test_where_all_of_it_is_foreseen_the_window_says_nothing() -> None:
    trail = at(7, current=3)

    windows.hold_up(trail, asked(3, 7, 7), BEHAVIOR.up, current=3, now=NOW, foreseen=9)

    assert trail.number == 7
    assert trail.steps[-1].rule is Rule.DEMAND


def test_a_dip_shorter_than_the_window_lowers_nothing() -> None:
    trail = at(1, current=4)

    windows.hold_down(trail, asked(4, 1, 1, 1), BEHAVIOR.down, current=4, now=NOW)

    assert trail.number == 4
    assert trail.steps[-1].why == "4 was asked for 60 s ago: fewer has to be asked for throughout 300 s"


def test_the_number_falls_to_the_highest_that_was_asked_for_throughout() -> None:
    trail = at(1, current=6)

    windows.hold_down(trail, asked(2, 3, 1), BEHAVIOR.down, current=6, now=NOW)

    assert trail.number == 3


def test_what_is_exactly_a_window_old_no_longer_counts() -> None:
    trail = at(1, current=4)

    windows.hold_down(trail, asked(4, until=NOW - 300), BEHAVIOR.down, current=4, now=NOW)

    assert trail.number == 1
    assert [step.rule for step in trail.steps] == [Rule.START, Rule.DEMAND]


def test_a_low_number_in_the_up_window_lowers_nothing() -> None:
    trail = at(7, current=3)

    windows.hold_up(trail, asked(1), BEHAVIOR.up, current=3, now=NOW)

    assert trail.number == 3


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

PODS_2 = Rate(RateType.PODS, 2, 60)
PERCENT_100 = Rate(RateType.PERCENT, 100, 15)


def up(number: int, current: int, direction: Direction, *, ups: tuple[Change, ...] = (), urgent: bool = False) -> Trail:
    trail = at(number, current)
    rates.limit_up(trail, direction, ups, (), current=current, now=NOW, urgent=urgent)
    return trail


def down(number: int, current: int, direction: Direction, *, downs: tuple[Change, ...] = (), at_once: bool = False) -> Trail:
    trail = at(number, current)
    rates.limit_down(trail, direction, (), downs, current=current, now=NOW, at_once=at_once)
    return trail


def test_no_more_than_the_policy_says_come_in_a_period() -> None:
    direction = Direction(window_s=0, rates=(PODS_2,))

    assert up(9, 3, direction).number == 5
    assert up(9, 5, direction, ups=(Change(NOW - 59, 2),)).number == 5
    assert up(9, 5, direction, ups=(Change(NOW - 60, 2),)).number == 7


def test_the_largest_change_counts_or_the_smallest_where_that_is_selected() -> None:
    # From 3: two pods make 5, a hundred per cent 6.
    assert up(9, 3, Direction(window_s=0, rates=(PODS_2, PERCENT_100))).number == 6
    assert up(9, 3, Direction(window_s=0, rates=(PODS_2, PERCENT_100), select=Select.MIN)).number == 5


def test_a_percentage_is_rounded_so_that_it_always_lets_one_come_and_go() -> None:
    tenth = Direction(window_s=0, rates=(Rate(RateType.PERCENT, 10, 60),))

    assert up(9, 3, tenth).number == 4  # 3.3, up
    assert down(1, 3, tenth).number == 2  # 2.7, down


def test_disabled_lets_none_come_or_go_not_even_to_rest() -> None:
    disabled = Direction(window_s=0, select=Select.DISABLED)

    assert up(9, 3, disabled, urgent=True).number == 3
    assert down(1, 3, disabled, at_once=True).number == 3


def test_without_policies_there_is_no_limit() -> None:
    assert up(9, 3, Direction(window_s=0)).number == 9
    assert down(1, 9, Direction(window_s=0)).number == 1


def test_an_urgent_queue_doubles_the_policies_and_may_double_the_pods() -> None:
    # Two pods per minute become four; from 6 the pods may double, which is more.
    assert up(20, 3, Direction(window_s=0, rates=(PODS_2,)), urgent=True).number == 7
    assert up(20, 6, Direction(window_s=0, rates=(PODS_2,)), urgent=True).number == 12
    # 10 % of one would let one come; two may.
    assert up(20, 1, Direction(window_s=0, rates=(Rate(RateType.PERCENT, 10, 60),)), urgent=True).number == 3


def test_rest_goes_in_one_step_whatever_the_rate() -> None:
    direction = Direction(window_s=0, rates=(Rate(RateType.PODS, 1, 120),))

    assert down(1, 5, direction).number == 4
    assert down(1, 5, direction, downs=(Change(NOW - 119, 1),)).number == 5
    assert down(1, 5, direction, at_once=True).number == 1


def test_a_change_takes_the_place_of_one_that_is_too_old_to_count() -> None:
    direction = Direction(window_s=0, rates=(PODS_2,))
    changes = (Change(NOW - 100, 1), Change(NOW - 61, 2), Change(NOW - 60, 3))

    assert rates.store(changes, Change(NOW, 4), direction) == (Change(NOW - 100, 1), Change(NOW, 4), Change(NOW - 60, 3))
    assert rates.store(changes[2:], Change(NOW, 4), direction) == (Change(NOW - 60, 3), Change(NOW, 4))


@given(st.integers(0, 50), st.integers(0, 50), st.booleans())
def test_a_rate_never_turns_the_direction(number: int, current: int, urgent: bool) -> None:
    direction = Direction(window_s=0, rates=(PODS_2, Rate(RateType.PERCENT, 50, 30)))

    rose = up(number, current, direction, ups=(Change(NOW - 10, 40),), urgent=urgent).number
    fell = down(number, current, direction, downs=(Change(NOW - 10, 40),)).number

    assert min(number, current) <= rose <= max(number, current)
    assert min(number, current) <= fell <= max(number, current)
