"""Claims from outcomes that were made by hand: each value can be worked out on paper, and what cannot be said is not."""

from collections.abc import Mapping, Sequence

import pytest

from autoscaler.simulation.compare import claims, entries
from autoscaler.simulation.compare.cases import Shape
from autoscaler.simulation.compare.claims import Claim
from autoscaler.simulation.compare.study import Judged, Plan, Results, Row
from tests.autoscaler.simulation.compare import fakes

Points = Sequence[tuple[float, float]]  # GPU-hours and missed shares, level by level; the level of 1 comes last

HPA: Points = [(15.0, 0.02), (20.0, 0.01)]
OURS: Points = [(10.0, 0.03), (14.0, 0.01)]
OPTIMUM: Points = [(10.0, 0.01)]


def row(name: str, points: Points, seeds: int = 2, busy_ratio: float = 0.5) -> Row:
    """Return an entry with these points, the same ones with every seed."""
    plain, _, tuned = name.partition(" ")
    family = fakes.family(plain)
    levels = [*[0.5 + 0.1 * place for place in range(len(points) - 1)], 1.0]
    return Row(
        entry=entries.tuned(family, {}) if tuned else entries.default(family),
        runs={
            level: tuple(
                fakes.outcome(gpu_hours=hours, missed_ratio=missed, seed=seed, busy_ratio=busy_ratio) for seed in range(seeds)
            )
            for level, (hours, missed) in zip(levels, points, strict=True)
        },
    )


def judged(rows: Mapping[str, Points], name: str = "made", shape: Shape = Shape.BURSTY) -> Judged:
    return Judged(case=fakes.case(name, shape), rows=tuple(row(entry, points) for entry, points in rows.items()))


def told(*each: Judged) -> dict[str, Claim]:
    results = Results(plan=Plan(cases=tuple(one.case for one in each), families=()), judged=each)
    return {claim.name: claim for claim in claims.of(results)}


FULL: Mapping[str, Points] = {
    "leadtime": OURS,
    "leadtime tuned": OURS,
    "hpa tuned": HPA,
    "keda tuned": HPA,
    "static": [(40.0, 0.0)],
    "optimum": OPTIMUM,
}


def test_what_is_saved_is_read_at_the_same_attainment() -> None:
    claim = told(judged(FULL))["gpu_hours_saved_vs_hpa_tuned"]

    # At 1 % missed ours takes 14 hours and HPA 20: 6 of 20 are saved.
    assert claim.value == pytest.approx(0.3)
    assert claim.holds is True
    assert claim.by_trace == {"made": pytest.approx(0.3)}


def test_what_is_cut_is_read_at_the_price_of_hpa() -> None:
    claim = told(judged({**FULL, "hpa tuned": [(20.0, 0.02), (12.0, 0.04)]}))["late_requests_cut_at_equal_cost"]

    # For HPA's own 12 hours ours is half-way from 3 % at 10 to 1 % at 14: 2 %, half of HPA's 4 %.
    assert claim.value == pytest.approx(0.5)


def test_regret_is_the_distance_to_the_optimum_by_the_kind_of_load() -> None:
    found = told(judged(FULL), judged(FULL, "sunny", Shape.DAILY))

    # 14 hours against 10.
    assert found["regret_ratio"].value == pytest.approx(0.4)
    assert found["regret_ratio_daily"].holds is False
    assert found["regret_ratio_bursty"].holds is True
    assert set(found["regret_ratio_daily"].by_trace) == {"sunny"}


def test_the_worst_trace_is_the_one_on_which_we_are_worse_in_both() -> None:
    cheaper = judged(FULL, "cheaper")
    worse = judged({**FULL, "leadtime tuned": [(22.0, 0.012)]}, "worse")

    found = told(cheaper, worse)["worst_trace_vs_hpa_tuned"]

    # 22 hours to 20 is 10 % more, 1.2 % missed to 1 % is 20 % more: 10 % in both.
    assert found.value == pytest.approx(0.1)
    assert found.holds is False
    assert found.note == "worse: worse in both there"


def test_next_to_no_missed_requests_are_no_more_than_others() -> None:
    ours, theirs = row("leadtime tuned", [(22.0, 0.0004)]), row("hpa tuned", [(20.0, 0.0001)])

    # Both are below a tenth of what may be missed, so that neither is worse in that.
    assert claims.worse_in_both(ours, theirs) == pytest.approx(0.0)


def test_what_nobody_reached_is_not_said_and_the_reason_is() -> None:
    claim = told(judged({**FULL, "hpa tuned": [(20.0, 0.05)]}))["gpu_hours_saved_vs_hpa_tuned"]

    assert (claim.value, claim.holds, claim.interval) == (None, None, None)
    assert claim.note == "0 of 1 traces; hpa tuned never answers 99% in time on made"
    assert claim.document()["value"] is None


def test_a_trace_on_which_only_ours_never_reaches_the_limit_is_a_claim_lost_whatever_the_others_say() -> None:
    lost = judged({**FULL, "leadtime tuned": [(20.0, 0.05)]}, "lost")

    claim = told(judged(FULL), lost)["gpu_hours_saved_vs_hpa_tuned"]

    assert (claim.value, claim.lost, claim.holds) == (pytest.approx(0.3), ("lost",), False)
    assert claim.note == "1 of 2 traces; leadtime tuned never answers 99% in time on lost"


def test_a_front_that_ends_above_the_limit_is_said_to_be_a_bound() -> None:
    claim = told(judged({**FULL, "hpa tuned": [(20.0, 0.001)]}))["gpu_hours_saved_vs_hpa_tuned"]

    assert claim.note == "1 of 1 traces; hpa tuned is at its cheapest level on made: it may need less"


def test_what_did_not_take_part_is_named() -> None:
    found = told(judged({"leadtime tuned": OURS}))

    assert found["gpu_hours_saved_vs_hpa_tuned"].note == "hpa tuned did not take part"
    assert found["worst_trace_vs_hpa_tuned"].note == "hpa tuned did not take part"
    assert found["regret_ratio"].note == "optimum did not take part"
    assert found["gpu_utilization_static"].value is None


def test_an_entry_with_fewer_seeds_is_compared_on_those_that_both_have() -> None:
    one = judged(FULL)
    fewer = Judged(case=one.case, rows=(row("leadtime", OURS, seeds=1), *(each for each in one.rows if each.name != "leadtime")))

    assert told(fewer)["gpu_hours_saved_vs_hpa_tuned_untuned"].value == pytest.approx(0.3)


def test_bursty_traces_alone_speak_of_what_is_saved_where_there_are_any() -> None:
    sunny = judged({**FULL, "leadtime tuned": [(20.0, 0.01)]}, "sunny", Shape.DAILY)

    assert set(told(judged(FULL), sunny)["gpu_hours_saved_vs_hpa_tuned"].by_trace) == {"made"}
    assert set(told(sunny)["gpu_hours_saved_vs_hpa_tuned"].by_trace) == {"sunny"}


def test_a_claim_is_a_document_of_plain_values() -> None:
    document = told(judged(FULL))["gpu_hours_saved_vs_hpa_tuned"].document()

    assert document == {
        "name": "gpu_hours_saved_vs_hpa_tuned",
        "value": 0.3,
        "goal": 0.2,
        "bound": "≥",
        "holds": True,
        "ci95": [0.3, 0.3],
        "lost": [],
        "by_trace": {"made": 0.3},
        "note": "1 of 1 traces",
    }


def test_utilization_is_the_share_of_paid_gpu_time_in_which_gpus_computed() -> None:
    assert told(judged(FULL))["gpu_utilization_leadtime_tuned"].value == pytest.approx(0.5)


def test_a_missed_request_may_have_a_price_instead() -> None:
    found = told(judged({"leadtime tuned": [(10.0, 0.0)], "optimum": [(8.0, 0.0)]}))["regret_ratio_priced"]

    # Three starts at 60 GPU-seconds are 0.05 hours: 10.05 against 8.05.
    assert found.value == pytest.approx(10.05 / 8.05 - 1.0)
