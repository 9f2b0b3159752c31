"""How much a Prometheus is asked for: so many points altogether, however long its history and however many its Deployments."""

from dataclasses import dataclass

DAY_S = 86_400
#: What one query may give of one series, by Prometheus' own limit.
MOST_POINTS = 11_000
#: Between two looks at the load, the finest first; each divides a day.
STEPS_S = (60, 120, 300, 600, 900, 1800, 3600)
#: At how many moments it is looked for Deployments: one that was at zero at one of them is found at another.
DISCOVERY_LOOKS = 24
#: Queries by which Deployments are found: how many GPUs each has, and how many of its pods.
DISCOVERIES = 2
#: Queries for each Deployment: its load, and its replicas.
PER_DEPLOYMENT = 2
#: So many queries more where Prometheus is busy or refuses one: then it is left alone.
AGAIN = 8


class BudgetError(ValueError):
    """What is asked for takes more than the budget; the message says what would fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked."""

    days: float
    deployments: int
    """At most so many."""
    step_s: int

    @property
    def queries(self) -> int:
        """Return how many queries that is, at most, if each is answered."""
        return DISCOVERIES + PER_DEPLOYMENT * self.deployments

    @property
    def points(self) -> int:
        """Return how many points they are evaluated at, at most."""
        return DISCOVERIES * DISCOVERY_LOOKS + PER_DEPLOYMENT * self.deployments * self.points_each

    @property
    def points_each(self) -> int:
        """Return how many points one query of a Deployment has."""
        return int(self.days * DAY_S // self.step_s)


def plan(*, days: float, deployments: int, points: int) -> Plan:
    """Return the finest plan for *days* of at most *deployments* that takes at most *points*.

    Raises:
        BudgetError: not even an hour between two looks keeps to it.

    """
    found = None
    for step_s in STEPS_S:
        found = Plan(days=days, deployments=deployments, step_s=step_s)
        if found.points_each <= MOST_POINTS and found.points <= points:
            return found
    assert found is not None  # noqa: S101 - there are steps
    raise BudgetError(
        f"{days:g} days of {deployments} Deployments take {found.points:,} points, even at one an hour, of {points:,}: "
        "give fewer --days, a smaller --limit, or a larger --points"
    )


def wider(step_s: int) -> int | None:
    """Return a step that asks for a quarter of the points of *step_s*, or for fewer; None if there is none."""
    return next((step for step in STEPS_S if step >= 4 * step_s), None)
