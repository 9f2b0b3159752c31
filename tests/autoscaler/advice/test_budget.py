"""However long the history and however many the Deployments, Prometheus is asked for no more than the budget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.advice import budget


@given(st.floats(0.05, 60.0), st.integers(1, 200), st.integers(1000, 1_000_000))
def test_a_plan_keeps_to_the_budget_with_the_finest_step_that_does(days: float, deployments: int, points: int) -> None:
    try:
        plan = budget.plan(days=days, deployments=deployments, points=points)
    except budget.BudgetError:
        assert budget.Plan(days=days, deployments=deployments, step_s=budget.STEPS_S[-1]).points > points
        return

    assert plan.points <= points
    assert plan.points_each <= budget.MOST_POINTS
    finer = [step for step in budget.STEPS_S if step < plan.step_s]
    for step_s in finer:
        other = budget.Plan(days=days, deployments=deployments, step_s=step_s)
        assert other.points > points or other.points_each > budget.MOST_POINTS


def test_more_days_widen_the_step_and_not_the_budget() -> None:
    week, two_months = (budget.plan(days=days, deployments=20, points=250_000) for days in (7, 60))

    # 20 Deployments have 40 queries of 5 040 points, at one in two minutes; a week of minutes would be 403 200 points.
    assert (week.step_s, week.queries, week.points) == (120, 42, 2 * 24 + 40 * 5040)
    assert two_months.step_s == 900


def test_what_cannot_be_kept_is_refused_with_what_would_fit() -> None:
    with pytest.raises(budget.BudgetError, match="give fewer --days, a smaller --limit, or a larger --points"):
        budget.plan(days=60, deployments=200, points=1000)


def test_what_is_too_much_is_asked_for_at_a_quarter_of_the_points_until_there_is_nothing_wider() -> None:
    steps: list[int | None] = [60]
    while steps[-1] is not None:
        steps.append(budget.wider(steps[-1]))

    assert steps == [60, 300, 1800, None]
