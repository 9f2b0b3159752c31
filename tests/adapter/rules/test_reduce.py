"""How rows become one value, and when they do not."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter.metric import Missing, Reason, Row, Sample
from adapter.rules import reduce
from adapter.rules.model import Fold, Reducer

NOW = 1_000_000.0
NUMBERS = st.floats(min_value=-1e12, max_value=1e12)
NOT_NUMBERS = st.sampled_from([math.nan, math.inf, -math.inf])
FOLDS = st.sampled_from(list(Fold))


def context(how: Fold | None, *, blanks: bool = False, factor: float = 1.0, replicated: tuple[str, ...] = ()) -> reduce.Context:
    return reduce.Context(series="x", now=NOW, reducer=Reducer(how, replicated), factor=factor, window_s=None, blanks=blanks)


def rows(*values: float, at: float = NOW) -> list[Row]:
    return [Row({"gpu": str(index)}, value, at) for index, value in enumerate(values)]


def number(outcome: Sample | Missing) -> float:
    assert isinstance(outcome, Sample), outcome
    return outcome.value


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.sampled_from([Fold.SUM, Fold.MEAN]), st.data())
def test_more_load_never_lowers_a_sum_or_a_mean(values: list[float], how: Fold, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(values) - 1))
    more = list(values)
    more[position] += data.draw(st.floats(min_value=0, max_value=1e9))

    assert number(reduce.fold(rows(*more), context(how))) >= number(reduce.fold(rows(*values), context(how)))


@given(st.lists(st.one_of(NUMBERS, NOT_NUMBERS), min_size=1, max_size=12), FOLDS, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(values: list[float], how: Fold, random: object) -> None:
    straight = rows(*values)
    shuffled = list(straight)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    before, after = reduce.fold(straight, context(how)), reduce.fold(shuffled, context(how))

    if isinstance(before, Sample):
        assert after == before
    else:
        assert isinstance(after, Missing)


@given(st.lists(st.one_of(NUMBERS, NOT_NUMBERS), min_size=1, max_size=12), st.one_of(st.none(), FOLDS))
def test_what_is_not_a_number_never_becomes_one(values: list[float], how: Fold | None) -> None:
    good = [value for value in values if math.isfinite(value)]

    outcome = reduce.fold(rows(*values), context(how))

    if isinstance(outcome, Sample):
        assert len(good) >= len(values) - len(good)
        assert outcome.series == len(good)
        assert outcome == reduce.fold(rows(*good), context(how))
    else:
        assert len(good) < len(values) or how is None


@given(st.lists(NUMBERS, min_size=1, max_size=10), FOLDS)
def test_a_fold_stays_between_its_parts(values: list[float], how: Fold) -> None:
    value = number(reduce.fold(rows(*values), context(how)))

    if how is not Fold.SUM:
        slack = 1e-9 * max(map(abs, values))  # a mean is rounded once
        assert min(values) - slack <= value <= max(values) + slack


@pytest.mark.parametrize(("how", "expected"), [(Fold.SUM, 300.0), (Fold.MEAN, 75.0), (Fold.MAX, 97.0), (Fold.MIN, 12.0)])
def test_four_gpus_of_a_pod_become_one_value(how: Fold, expected: float) -> None:
    assert number(reduce.fold(rows(97, 96, 95, 12), context(how))) == expected


def test_a_sample_is_as_old_as_its_oldest_part() -> None:
    outcome = reduce.fold([*rows(1, at=NOW - 3), *rows(1, at=NOW - 40)], context(Fold.MEAN))

    assert isinstance(outcome, Sample)
    assert (outcome.at, outcome.series) == (NOW - 40, 2)


def test_one_blank_gpu_of_four_is_left_out_of_a_mean() -> None:
    outcome = reduce.fold(rows(90, 90, 60, 9223372036854775794.0), context(Fold.MEAN, blanks=True))

    assert isinstance(outcome, Sample)
    assert (outcome.value, outcome.series) == (80.0, 3)


@pytest.mark.parametrize("how", [Fold.MEAN, Fold.MAX, Fold.MIN])
def test_three_blank_gpus_of_four_leave_no_value(how: Fold) -> None:
    outcome = reduce.fold(rows(90, math.nan, math.nan, math.nan), context(how))

    assert isinstance(outcome, Missing)
    assert (outcome.reason, outcome.detail) == (Reason.NOT_A_NUMBER, "x is nan in 3 of 4 series")


def test_a_sum_with_a_part_missing_is_missing() -> None:
    outcome = reduce.fold(rows(5, 5, 5, math.nan), context(Fold.SUM))

    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.NOT_A_NUMBER


# From dcgm_structs.h: DCGM_INT32_BLANK, DCGM_INT64_BLANK and DCGM_FP64_BLANK, and the fifteen values after each.
@pytest.mark.parametrize("base", [0x7FFFFFF0, 0x7FFFFFFFFFFFFFF0, 140737488355328])
@pytest.mark.parametrize("offset", [0, 1, 2, 3, 15])
def test_every_blank_value_of_dcgm_is_missing(base: int, offset: int) -> None:
    outcome = reduce.fold(rows(float(base + offset)), context(Fold.MEAN, blanks=True))

    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.BLANK


def test_a_blank_is_one_as_the_integer_too_that_a_page_writes() -> None:
    assert reduce.is_blank(9223372036854775794)


@pytest.mark.parametrize("value", [0.0, 100.0, 81920.0, 0x7FFFFFEF, 0x80000000, 140737488355327.0, 140737488355344.0, -1.0])
def test_values_beside_the_blanks_are_values(value: float) -> None:
    assert not reduce.is_blank(value)


def test_another_exporters_number_may_look_like_a_blank() -> None:
    assert number(reduce.fold(rows(float(0x7FFFFFF0)), context(Fold.SUM))) == float(0x7FFFFFF0)


@pytest.mark.parametrize("at", [NOW + 31, math.nan, math.inf, -1.0])
def test_a_time_that_cannot_be_is_missing(at: float) -> None:
    outcome = reduce.fold(rows(1.0, at=at), context(Fold.SUM))

    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.SOURCE_UNREADABLE
    assert "check the clocks" in outcome.detail


def test_a_clock_that_is_a_little_ahead_is_tolerated() -> None:
    assert number(reduce.fold(rows(1.0, at=NOW + 29), context(Fold.SUM))) == 1.0


def test_a_second_series_without_a_fold_is_ambiguous_and_says_what_differs() -> None:
    two = [Row({"pod": "a", "engine": "0", "le": "1"}, 1.0, NOW), Row({"pod": "a", "engine": "1"}, 2.0, NOW)]

    outcome = reduce.fold(two, context(None))

    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.AMBIGUOUS
    assert outcome.detail == "2 series of x where the rule expects one, which differ in engine, le: add reduce to the rule"


def ranks(*told: tuple[str, str, float]) -> list[Row]:
    return [Row({"dp_rank": dp, "tp_rank": tp, "pod": "a"}, value, NOW) for dp, tp, value in told]


REPLICATED = ("tp_rank", "pp_rank")


def test_ranks_that_repeat_a_queue_count_once_and_groups_add_up() -> None:
    # dp 0 has 7 (one rank lags at 6), dp 1 has 3: 10
    told = ranks(("0", "0", 7.0), ("0", "1", 6.0), ("1", "0", 3.0), ("1", "1", 3.0))

    outcome = reduce.fold(told, context(Fold.SUM, replicated=REPLICATED))

    assert isinstance(outcome, Sample)
    assert (outcome.value, outcome.series) == (10.0, 2)


def test_groups_that_different_ranks_report_still_add_up() -> None:
    assert number(reduce.fold(ranks(("0", "0", 7.0), ("1", "1", 3.0)), context(Fold.SUM, replicated=REPLICATED))) == 10.0


def test_a_copy_without_a_number_is_made_up_for_by_another() -> None:
    told = ranks(("0", "0", math.nan), ("0", "1", 6.0))

    assert number(reduce.fold(told, context(Fold.SUM, replicated=REPLICATED))) == 6.0


def test_copies_need_no_fold() -> None:
    assert number(reduce.fold(ranks(("0", "0", 6.0), ("0", "1", 7.0)), context(None, replicated=REPLICATED))) == 7.0


def test_rows_that_nothing_tells_apart_are_series_and_no_copies() -> None:
    # A source that dropped dp_rank leaves two rows for each tp_rank: 7 + 3, told twice.
    told = [row._replace(labels={"tp_rank": row.labels["tp_rank"]}) for row in ranks(("0", "0", 7.0), ("1", "0", 3.0))]
    told += [row._replace(labels={"tp_rank": row.labels["tp_rank"]}) for row in ranks(("0", "1", 7.0), ("1", "1", 3.0))]

    assert number(reduce.fold(told, context(Fold.SUM, replicated=REPLICATED))) == 10.0


@given(
    st.lists(st.tuples(st.sampled_from("01"), st.sampled_from("012"), NUMBERS), min_size=1, max_size=6, unique_by=lambda t: t[:2])
)
def test_a_repeated_copy_changes_nothing(told: list[tuple[str, str, float]]) -> None:
    folded = context(Fold.SUM, replicated=REPLICATED)
    copies = [Row({**row.labels, "pp_rank": "1"}, row.value, row.at) for row in ranks(*told)]

    assert number(reduce.fold([*ranks(*told), *copies], folded)) == number(reduce.fold(ranks(*told), folded))


def test_the_factor_comes_last() -> None:
    assert number(reduce.fold(rows(50, 100), context(Fold.MEAN, factor=0.01))) == 0.75


def test_a_sum_beyond_what_a_double_holds_is_missing() -> None:
    outcome = reduce.fold(rows(1.7e308, 1.7e308), context(Fold.SUM))

    assert isinstance(outcome, Missing)
    assert outcome.reason is Reason.NOT_A_NUMBER


def test_rows_are_split_by_the_labels_to_keep() -> None:
    told = [Row({"model": "a", "engine": "0"}, 1.0, NOW), Row({"model": "a", "engine": "1"}, 2.0, NOW), Row({}, 3.0, NOW)]

    assert reduce.split(told, ["model"]) == {("a",): told[:2], ("",): told[2:]}
