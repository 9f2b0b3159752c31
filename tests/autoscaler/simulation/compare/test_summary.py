"""Lines and verdicts: what is shown of a trace, with losses said as plainly as wins."""

from collections.abc import Mapping

import pytest

from autoscaler.simulation.compare import summary
from autoscaler.simulation.compare.statistics import Bound
from autoscaler.simulation.compare.study import Judged
from autoscaler.simulation.compare.summary import Result
from tests.autoscaler.simulation.compare import fakes
from tests.autoscaler.simulation.compare.test_claims import FULL, OURS, Points, judged, row


def verdict(rows: Mapping[str, Points]) -> summary.Verdict:
    return summary.verdicts(judged(rows))[0]


def test_who_takes_fewer_gpu_hours_for_the_same_attainment_wins() -> None:
    found = verdict({"leadtime tuned": OURS, "hpa tuned": [(15.0, 0.02), (20.0, 0.01)]})

    assert found.result is Result.WINS
    assert str(found) == ("leadtime tuned against hpa tuned: wins; 30.0% fewer GPU-hours for 99% in time (30.0% to 30.0%)")


def test_a_loss_is_called_one() -> None:
    found = verdict({"leadtime tuned": [(25.0, 0.01)], "hpa tuned": [(20.0, 0.01)]})

    assert found.result is Result.LOSES
    assert found.why == "25.0% more GPU-hours for 99% in time (25.0% to 25.0%)"


def test_who_never_reaches_the_limit_loses_against_who_does() -> None:
    assert verdict({"leadtime tuned": OURS, "hpa tuned": [(20.0, 0.02)]}).result is Result.WINS
    assert verdict({"leadtime tuned": [(20.0, 0.02)], "hpa tuned": [(20.0, 0.01)]}).result is Result.LOSES


def test_where_neither_reaches_the_limit_the_same_gpu_hours_decide() -> None:
    found = verdict({"leadtime tuned": [(20.0, 0.02)], "hpa tuned": [(20.0, 0.04)]})

    assert found.result is Result.WINS
    assert "neither ever has 99% in time; for the same GPU-hours 50.0% fewer missed requests" in found.why


def test_what_cannot_be_said_is_not_known() -> None:
    assert verdict({"leadtime tuned": [(30.0, 0.02)], "hpa tuned": [(20.0, 0.04)]}).result is Result.UNKNOWN


def test_ours_is_held_against_what_is_tuned_as_it_is_and_neither_itself_nor_the_optimum() -> None:
    found = summary.verdicts(judged({**FULL, "hpa": [(30.0, 0.01)]}))

    # `fakes.family` can be tuned, so that what is as shipped is left out; the optimum of these tests is no clairvoyant family.
    assert [each.theirs for each in found] == ["hpa tuned", "keda tuned"]
    assert summary.verdicts(judged({"hpa tuned": OURS})) == []


def test_a_line_has_the_means_and_what_the_front_says() -> None:
    found = {line.name: line for line in summary.lines(judged(FULL))}

    ours = found["leadtime tuned"]
    # Its own tightness is its last point: 14 hours and 1 % missed. The optimum takes 10.
    assert (ours.gpu_hours, ours.attainment_ratio, ours.late) == (pytest.approx(14.0), pytest.approx(0.99), pytest.approx(10.0))
    assert ours.at_limit.value == pytest.approx(14.0)
    assert ours.over_optimum == pytest.approx(0.4)
    assert ours.less_than_hpa is not None
    assert ours.less_than_hpa.value == pytest.approx(6.0)
    assert found["static"].at_limit.bound is Bound.AT_MOST


def test_a_difference_is_of_the_seeds_that_both_have() -> None:
    one = Judged(case=fakes.case(), rows=(row("hpa tuned", [(20.0, 0.01)], seeds=4), row("knative", [(15.0, 0.02)], seeds=2)))

    line = summary.lines(one)[1]

    assert line.seeds == 2
    assert line.less_than_hpa is not None
    assert line.less_than_hpa.value == pytest.approx(5.0)


def test_verdicts_are_counted_in_words() -> None:
    assert summary.counted(summary.verdicts(judged(FULL))) == "wins 2"
