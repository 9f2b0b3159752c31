"""How GPU time and money add up: over looks, gaps, midnights, restarts and changes of leader."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost.account import LONGEST_GAP_S, Account
from autoscaler.cost.census import Holding, State
from autoscaler.cost.hardware import Capacity, Hardware
from autoscaler.cost.prices import Prices
from autoscaler.report import status

L4, H100 = Hardware("nvidia-l4", Capacity.SPOT), Hardware("NVIDIA-H100", Capacity.ON_DEMAND)
EUROS = Prices("EUR", {L4: 0.36, H100: 7.2})  # a hundredth of a cent a second, and a fifth of a cent
DAY_S = 86_400.0
NOON = 20_000 * DAY_S + DAY_S / 2  # 2024-10-04

Looks = list[tuple[float, tuple[Holding, ...]]]


def serving(gpus: int, hardware: Hardware = L4) -> tuple[Holding, ...]:
    return (Holding(State.SERVING, hardware, gpus),) if gpus else ()


def looked(*looks: tuple[float, tuple[Holding, ...]], prices: Prices | None = EUROS, account: Account | None = None) -> Account:
    """Return an account after *looks*: when, and what was held then."""
    found = account or Account()
    for at, holdings in looks:
        found.look(holdings, prices, now=at)
    return found


def every(seconds: float, holdings: tuple[Holding, ...], *, since: float, until: float) -> Looks:
    return [(since + seconds * step, holdings) for step in range(round((until - since) / seconds) + 1)]


def shown(account: Account) -> dict[str, Any]:
    """Return what a status shows of the day."""
    return status._today(account.today)


def test_what_is_held_counts_from_one_look_to_the_next() -> None:
    account = looked((NOON, serving(4)), (NOON + 5, serving(2)), (NOON + 15, serving(0)), (NOON + 20, serving(1)))

    # 4 GPUs for 5 s, then 2 for 10 s, then none.
    assert account.gpu_s[State.SERVING, L4] == 40.0
    assert account.money == {(L4, "EUR"): pytest.approx(40 * 0.0001)}


def test_the_first_look_counts_nothing_and_opens_every_state_at_zero() -> None:
    account = looked((NOON, serving(4)))

    assert account.gpu_s == {(state, L4): 0.0 for state in State}
    assert account.money == {(L4, "EUR"): 0.0}


def test_a_gap_in_which_nobody_looked_counts_nothing() -> None:
    just = looked((NOON, serving(4)), (NOON + LONGEST_GAP_S, serving(4)))
    beyond = looked((NOON, serving(4)), (NOON + LONGEST_GAP_S + 1, serving(4)), (NOON + LONGEST_GAP_S + 6, serving(4)))

    assert just.gpu_s[State.SERVING, L4] == 240.0
    # Only the 5 s after the gap.
    assert beyond.gpu_s[State.SERVING, L4] == 20.0


def test_a_clock_that_is_set_back_takes_nothing_away() -> None:
    account = looked((NOON, serving(4)), (NOON + 5, serving(4)), (NOON - 3000, serving(4)), (NOON - 2995, serving(4)))

    assert account.gpu_s[State.SERVING, L4] == 40.0


def test_what_has_no_price_costs_nothing_that_anybody_knows() -> None:
    account = looked(*every(5, serving(2, H100), since=NOON, until=NOON + 3600), prices=Prices("EUR", {L4: 0.36}))

    assert account.money == {}
    assert account.gpu_s[State.SERVING, H100] == pytest.approx(7200)
    assert shown(account) == {"today": "2024-10-04", "gpuHoursToday": 2.0, "costToday": None}


def test_where_only_some_of_it_has_a_price_it_costs_more_than_that() -> None:
    both = (Holding(State.SERVING, L4, 1), Holding(State.SERVING, H100, 1))

    account = looked(*every(5, both, since=NOON, until=NOON + 3600), prices=Prices("EUR", {L4: 0.36}))

    assert shown(account) == {"today": "2024-10-04", "gpuHoursToday": 2.0, "costToday": ">0.36 EUR"}


def test_prices_that_change_hold_from_then_on() -> None:
    account = looked(*every(5, serving(1), since=NOON, until=NOON + 3600))

    looked(*every(5, serving(1), since=NOON + 3600, until=NOON + 7200), prices=Prices("EUR", {L4: 0.72}), account=account)

    assert shown(account)["costToday"] == "1.08 EUR"


def test_another_currency_is_not_added_to_the_first() -> None:
    account = looked(*every(5, serving(1), since=NOON, until=NOON + 3600))

    looked(*every(5, serving(1), since=NOON + 3600, until=NOON + 7200), prices=Prices("USD", {L4: 0.5}), account=account)

    assert account.money == {(L4, "EUR"): pytest.approx(0.36), (L4, "USD"): pytest.approx(0.5)}
    assert shown(account)["costToday"] == ">0.50 USD"


def test_money_is_rounded_half_up_to_hundredths() -> None:
    account = Account.restored({"today": "2024-10-04", "gpuHoursToday": 1.0, "costToday": "1.00 EUR"})

    looked((NOON, serving(1)), (NOON + 50, serving(1)), account=account)  # and half a cent

    assert shown(account)["costToday"] == "1.01 EUR"


def test_at_midnight_the_day_begins_anew_and_the_counters_go_on() -> None:
    midnight = NOON + DAY_S / 2

    account = looked(*every(5, serving(1), since=midnight - 3602, until=midnight + 3598))

    assert account.gpu_s[State.SERVING, L4] == pytest.approx(7200)
    # Of the look that spans midnight only what is after it.
    assert account._day_gpu_s == pytest.approx(3598)
    assert shown(account)["today"] == "2024-10-05"


def test_who_leads_next_goes_on_with_the_day_and_begins_its_counters_at_zero() -> None:
    first = looked(*every(5, serving(10), since=NOON, until=NOON + 3600))

    second = Account.restored(shown(first))
    looked(*every(5, serving(10), since=NOON + 3615, until=NOON + 7215), account=second)

    # An hour each; the 15 s in between nobody saw.
    assert shown(second) == {"today": "2024-10-04", "gpuHoursToday": 20.0, "costToday": "7.20 EUR"}
    assert second.gpu_s[State.SERVING, L4] == pytest.approx(36_000)


def test_yesterdays_figures_are_not_todays() -> None:
    account = Account.restored({"today": "2024-10-03", "gpuHoursToday": 99.0, "costToday": "50.00 EUR"})

    looked((NOON, serving(1)), account=account)

    assert shown(account) == {"today": "2024-10-04", "gpuHoursToday": 0.0, "costToday": None}


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"today": None, "gpuHoursToday": None},
        {"today": "yesterday", "gpuHoursToday": 3.0},
        {"today": "2024-10-04", "gpuHoursToday": "many"},
        {"today": "2024-10-04", "gpuHoursToday": math.nan},
        {"today": "2024-10-04", "gpuHoursToday": -1.0},
        {"today": "2024-10-04", "gpuHoursToday": math.inf},
        {"today": ["2024-10-04"], "gpuHoursToday": {}},
    ],
)
def test_a_status_that_makes_no_sense_is_begun_anew(found: dict[str, Any]) -> None:
    account = looked((NOON, serving(1)), account=Account.restored(found))

    assert shown(account) == {"today": "2024-10-04", "gpuHoursToday": 0.0, "costToday": None}


@pytest.mark.parametrize("cost", [None, "", "a lot", "1 EUR", "-1.00 EUR", 3.5])
def test_hours_whose_cost_cannot_be_read_make_the_day_cost_more_than_what_comes(cost: object) -> None:
    account = Account.restored({"today": "2024-10-04", "gpuHoursToday": 1.0, "costToday": cost})

    looked(*every(5, serving(1), since=NOON, until=NOON + 3600), account=account)

    assert shown(account) == {"today": "2024-10-04", "gpuHoursToday": 2.0, "costToday": ">0.36 EUR"}


def test_before_the_first_look_there_are_no_figures() -> None:
    assert shown(Account()) == {"today": None, "gpuHoursToday": None, "costToday": None}


looks = st.lists(
    st.tuples(
        st.floats(0.0, 90.0),
        st.dictionaries(st.tuples(st.sampled_from(State), st.sampled_from([L4, H100])), st.integers(1, 8), max_size=4),
    ),
    min_size=1,
    max_size=12,
)


def timed(drawn: list[tuple[float, dict[tuple[State, Hardware], int]]], start: float = NOON) -> Looks:
    found, at = [], start
    for pause_s, held in drawn:
        at += pause_s
        found.append((at, tuple(Holding(state, kind, gpus) for (state, kind), gpus in held.items())))
    return found


@given(looks)
def test_gpu_time_is_what_was_held_times_how_long_wherever_somebody_looked(
    drawn: list[tuple[float, dict[tuple[State, Hardware], int]]],
) -> None:
    story = timed(drawn)

    account = looked(*story)

    pairs = itertools.pairwise(story)
    expected = sum(
        holding.gpus * (later - earlier)
        for (earlier, held), (later, _) in pairs
        if later - earlier <= LONGEST_GAP_S
        for holding in held
    )
    assert sum(account.gpu_s.values()) == pytest.approx(expected)
    # Each hour of it at its price, and no other money.
    by_kind = {kind: sum(seconds for (_, of), seconds in account.gpu_s.items() if of == kind) for kind in (L4, H100)}
    assert sum(account.money.values()) == pytest.approx(sum(s / 3600 * EUROS.per_hour[kind] for kind, s in by_kind.items()))


@given(looks, st.floats(0.01, 0.99))
def test_one_more_look_at_the_same_never_counts_less(
    drawn: list[tuple[float, dict[tuple[State, Hardware], int]]], part: float
) -> None:
    story = timed(drawn)
    closer = [story[0]]
    for (earlier, held), later in itertools.pairwise(story):
        closer += [(earlier + part * (later[0] - earlier), held), later]

    few, many = sum(looked(*story).gpu_s.values()), sum(looked(*closer).gpu_s.values())

    assert many >= few - 1e-6
    if all(later[0] - earlier[0] <= LONGEST_GAP_S for earlier, later in itertools.pairwise(story)):
        assert many == pytest.approx(few)


@given(looks, st.integers(0, 12))
def test_a_change_of_leader_counts_no_second_twice(
    drawn: list[tuple[float, dict[tuple[State, Hardware], int]]], change: int
) -> None:
    story = timed(drawn)
    alone = looked(*story)

    first = looked(*story[:change])
    second = looked(*story[change:], account=Account.restored(shown(first)))

    together = sum(first.gpu_s.values()) + sum(second.gpu_s.values())
    assert together <= sum(alone.gpu_s.values()) + 1e-6
    # The day's figures are kept to hundredths.
    assert second._day_gpu_s <= alone._day_gpu_s + 0.005 * 3600 + 1e-6
