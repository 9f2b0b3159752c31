"""Which pods a ReplicaSet gives up first, and how a Deployment moves from one template to the next."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.sandbox.controllers import workloads


def pod(
    name: str, *, node: str = "n1", phase: str = "Running", ready_at: int | None = 0, cost: int = 0, born: int = 0
) -> dict[str, Any]:
    conditions = (
        [] if ready_at is None else [{"type": "Ready", "status": "True", "lastTransitionTime": f"2026-01-01T00:00:{ready_at:02}Z"}]
    )
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:{born:02}Z",
            "annotations": {workloads.DELETION_COST: str(cost)},
        },
        "spec": {"nodeName": node} if node else {},
        "status": {"phase": phase, "conditions": conditions},
    }


def order(*pods: dict[str, Any]) -> list[str]:
    return [each["metadata"]["name"] for each in workloads.first_to_go(pods)]


def test_each_rule_decides_where_those_before_it_do_not() -> None:
    assert order(pod("bound"), pod("free", node="")) == ["free", "bound"]
    assert order(pod("runs", node="a"), pod("waits", node="b", phase="Pending")) == ["waits", "runs"]
    assert order(pod("ready", cost=-9), pod("cold", ready_at=None, cost=9)) == ["cold", "ready"]
    assert order(pod("dear", cost=5), pod("cheap", cost=-5), pod("plain")) == ["cheap", "plain", "dear"]
    assert order(pod("alone", node="a"), pod("one", node="b"), pod("two", node="b"))[-1] == "alone"
    assert order(pod("long", ready_at=1), pod("short", ready_at=9)) == ["short", "long"]
    assert order(pod("old", born=1), pod("young", born=9)) == ["young", "old"]


def test_a_cost_that_cannot_be_read_counts_as_nothing() -> None:
    odd = pod("odd")
    odd["metadata"]["annotations"][workloads.DELETION_COST] = "a lot"

    assert order(odd, pod("cheap", cost=-1)) == ["cheap", "odd"]


def replica_set(name: str, replicas: int, *, available: int | None = None) -> dict[str, Any]:
    shown = replicas if available is None else available
    return {
        "metadata": {"name": name, "namespace": "ns", "uid": name},
        "spec": {"replicas": replicas},
        "status": {"replicas": replicas, "availableReplicas": shown},
    }


def spec(replicas: int, *, surge: int | str = "25%", unavailable: int | str = "25%", kind: str = "RollingUpdate") -> dict[str, Any]:
    rolling = {"rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}} if kind == "RollingUpdate" else {}
    return {"replicas": replicas, "strategy": {"type": kind, **rolling}}


def test_a_deployment_with_one_set_gives_it_everything() -> None:
    newest = replica_set("new", 1)

    assert workloads.plan(spec(5), newest, []) == [(newest, 5)]


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    newest, old = replica_set("new", 0), replica_set("old", 3)

    assert workloads.plan(spec(3, kind="Recreate"), newest, [old]) == [(old, 0), (newest, 0)]

    emptied = replica_set("old", 0)
    assert workloads.plan(spec(3, kind="Recreate"), newest, [emptied]) == [(newest, 3)]


def test_nothing_old_goes_before_something_new_is_available() -> None:
    # Surge ceil(0.25 × 4) = 1 and no pod may be missing: one new pod starts, all four old ones stay.
    newest, old = replica_set("new", 0), replica_set("old", 4)

    assert workloads.plan(spec(4, unavailable=0), newest, [old]) == [(old, 4), (newest, 1)]


@given(
    wanted=st.integers(0, 12),
    old=st.integers(0, 12),
    surge=st.integers(0, 3),
    unavailable=st.integers(0, 3),
)
def test_a_rolling_update_ends_in_the_new_set_within_its_bounds(wanted: int, old: int, surge: int, unavailable: int) -> None:
    shape = spec(wanted, surge=surge, unavailable=unavailable)
    counts = {"old": old, "new": 0}
    most = max(old, wanted + surge)
    least = min(old, wanted - (unavailable if surge or unavailable else 1))

    for _ in range(60):
        plan = workloads.plan(shape, replica_set("new", counts["new"]), [replica_set("old", counts["old"])])
        after = {each["metadata"]["name"]: count for each, count in plan}
        counts = {**counts, **after}
        assert sum(counts.values()) <= most
        assert sum(counts.values()) >= least
        if counts == {"old": 0, "new": wanted}:
            break

    assert counts == {"old": 0, "new": wanted}


def test_a_templates_hash_follows_its_content() -> None:
    one = workloads.template_hash({"spec": {"a": 1, "b": 2}})

    assert workloads.template_hash({"spec": {"b": 2, "a": 1}}) == one
    assert workloads.template_hash({"spec": {"a": 1, "b": 3}}) != one
