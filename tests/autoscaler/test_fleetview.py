"""A row has what the object says, and nothing that it does not."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler import fleetview
from autoscaler.resource import boosts

NOW = 1_800_000_000.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def document(**parts: Any) -> dict[str, Any]:
    return {"metadata": {"name": "qwen", "namespace": "llm", **parts.pop("metadata", {})}, **parts}


def test_what_nobody_has_said_is_none_and_never_zero() -> None:
    row = fleetview.row(document(), now=NOW)

    assert (row.ready, row.current, row.desired, row.least, row.most, row.metric_age_s) == (None,) * 6
    assert (row.gpu_hours_today, row.cost_today, row.boost, row.trouble) == (None, "", None, ())


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("currentReplicas", "readyReplicas", "startup", "reason"), JSON)))
def test_no_status_of_the_wrong_shape_breaks_it(status: dict[str, Any]) -> None:
    status["startup"] = status.get("startup") if isinstance(status.get("startup"), dict) else None

    row = fleetview.row(document(status=status), now=NOW)

    assert row.current is None or row.current == status["currentReplicas"]


def test_conditions_that_complain_are_its_trouble() -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "TargetNotFound", "message": "nothing is called so"},
        {"type": "Conflict", "status": "True", "reason": "ForeignWriter", "message": ""},
        {"type": "Limited", "status": "True", "reason": "MaxReplicas", "message": "at most 8"},
    ]

    row = fleetview.row(document(status={"conditions": conditions}), now=NOW)

    assert row.ready is False
    assert row.trouble == ("Ready: nothing is called so", "Conflict: ForeignWriter")


def test_a_boost_is_shown_until_its_end() -> None:
    boosted = document(metadata={"annotations": {boosts.ANNOTATION: "6 until 2027-01-15T08:00:10Z"}})

    before, after = fleetview.row(boosted, now=NOW), fleetview.row(boosted, now=NOW + 10.0)

    assert before.boost is not None
    assert (before.boost.min_replicas, fleetview.until(before.boost)) == (6, "2027-01-15 08:00 UTC")
    assert after.boost is None


def test_figures_of_another_day_are_not_todays() -> None:
    status = {"today": "2027-01-15", "gpuHoursToday": 12.5, "costToday": "31.25 EUR"}

    today, tomorrow = (fleetview.row(document(status=status), now=NOW + days * 86_400.0) for days in (0, 1))

    assert (today.gpu_hours_today, today.cost_today) == (12.5, "31.25 EUR")
    assert (tomorrow.gpu_hours_today, tomorrow.cost_today) == (None, "")
