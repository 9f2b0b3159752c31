"""What is kept of a pod, and how pods are found and their starts told: fed by hand, without an API server."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import selector
from autoscaler.cluster import pods
from autoscaler.cluster.pods import Pods
from autoscaler.decision.startup import Sample
from autoscaler.resource.scaler import ROUTED
from autoscaler.seen import PodSeen
from tests.autoscaler.cluster.feeding import Feed, Unreachable

T0 = 1_790_000_000.0  # 2026-09-21T14:13:20Z


def stamp(second: int) -> str:
    return f"2026-09-21T14:{13 + (20 + second) // 60:02}:{(20 + second) % 60:02}Z"


def condition(kind: str, *, status: str, since: int, reason: str = "", message: str = "") -> dict[str, Any]:
    told = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": stamp(since)}
    return told | ({"reason": reason, "message": message} if reason else {})


def document(name: str = "web-0", **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"uid-{name}", "creationTimestamp": stamp(0), **metadata},
        "spec": {"nodeName": "gpu-1", "containers": [{"name": "vllm", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
        "status": {"phase": "Pending"},
    }


def loading(name: str = "web-0", *, restarts: int = 0, told_at: int = 2, **metadata: Any) -> dict[str, Any]:
    """Return a pod that runs since second 5 and has told at second *told_at* that its containers are not ready."""
    found = document(name, **metadata)
    found["status"] = {
        "phase": "Running",
        "conditions": [
            condition("PodScheduled", status="True", since=1),
            condition("ContainersReady", status="False", since=told_at, reason="ContainersNotReady"),
            condition("Ready", status="False", since=told_at, reason="ContainersNotReady"),
        ],
        "containerStatuses": [
            {"name": "vllm", "restartCount": restarts, "state": {"running": {"startedAt": stamp(5)}}},
            {"name": "log", "restartCount": 0, "state": {"running": {"startedAt": stamp(3)}}},
        ],
    }
    return found


def ready(name: str = "web-0", *, restarts: int = 0, at: int = 35, **metadata: Any) -> dict[str, Any]:
    found = loading(name, restarts=restarts, **metadata)
    found["status"]["conditions"][1:] = [
        condition("ContainersReady", status="True", since=at),
        condition("Ready", status="True", since=at),
    ]
    return found


def kept(found: dict[str, Any]) -> PodSeen:
    return pods.decode(json.dumps(found).encode())


class Fed(Feed):
    """Pods that are told of one by one."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.pods = Pods(kube=Unreachable(), on_change=lambda _namespace, pod: self.changes.append(pod.name))
        super().__init__(self.pods._mirror)


@pytest.fixture
def fed() -> Fed:
    return Fed()


def test_the_phases_of_a_start_are_the_pods_own_timestamps() -> None:
    pod = kept(ready(labels={"app": "web"}))

    assert (pod.created_at, pod.scheduled_at, pod.started_at, pod.ready_at) == (T0, T0 + 1, T0 + 5, T0 + 35)
    assert (pod.running, pod.ready, pod.containers_ready, pod.containers_ready_at) == (True, True, True, T0 + 35)
    assert (pod.node, pod.gpus, pod.labels, pod.gate) == ("gpu-1", 1, {"app": "web"}, None)


def test_a_pod_that_does_not_run_whole_has_not_started() -> None:
    half = loading()
    half["status"]["containerStatuses"][1]["state"] = {"waiting": {"reason": "ContainerCreating"}}

    assert kept(half).started_at is None
    assert kept(document()).started_at is None


def test_times_with_fractions_are_read_exactly() -> None:
    assert kept(document(creationTimestamp="2026-09-21T14:13:20.250000Z")).created_at == T0 + 0.25


def test_a_gate_is_passed_or_not_or_not_there() -> None:
    gated = ready()
    gated["spec"]["readinessGates"] = [{"conditionType": "other"}, {"conditionType": ROUTED}]
    passed = json.loads(json.dumps(gated))
    passed["status"]["conditions"].append(condition(ROUTED, status="True", since=36))

    assert (kept(gated).gate, kept(passed).gate) == (False, True)


def test_a_pod_that_no_node_takes_says_since_when_and_why() -> None:
    homeless = document()
    message = "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."
    homeless["status"]["conditions"] = [condition("PodScheduled", status="False", since=4, reason="Unschedulable", message=message)]
    held = document()
    held["status"]["conditions"] = [condition("PodScheduled", status="False", since=4, reason="SchedulingGated", message="gated")]

    assert (kept(homeless).unschedulable_since, kept(homeless).unschedulable_why) == (T0 + 4, message)
    assert kept(held).unschedulable_since is None


def test_a_deletion_cost_comes_with_who_set_it() -> None:
    name = "controller.kubernetes.io/pod-deletion-cost"
    owned = [{"manager": "somebody", "fieldsV1": {"f:metadata": {"f:annotations": {f"f:{name}": {}}}}}]

    costly = kept(document(annotations={name: "7", "other": "x"}, managedFields=owned))

    assert (costly.deletion_cost, costly.deletion_cost_manager) == ("7", "somebody")
    assert kept(document(managedFields=owned)).deletion_cost_manager == ""


def test_pods_are_found_by_their_selector_and_never_by_an_empty_one(fed: Fed) -> None:
    fed.put(document("web-0", labels={"app": "web", "tier": "gpu"}))
    fed.put(document("web-1", labels={"app": "web", "tier": "cpu"}))
    fed.put(document("db-0", labels={"app": "db"}))

    def names(text: str) -> list[str]:
        return sorted(pod.name for pod in fed.pods.select("shop", text))

    assert names("app=web") == ["web-0", "web-1"]
    assert names("app=web,tier in (gpu,tpu)") == ["web-0"]
    assert names("tier") == ["web-0", "web-1"]
    assert names("") == []
    assert fed.pods.select("elsewhere", "app=web") == []
    with pytest.raises(selector.SelectorError):
        names("app=(web")


def test_a_pod_whose_label_changes_moves_to_its_new_selector(fed: Fed) -> None:
    fed.put(document(labels={"app": "web", ROUTED: "true"}))
    assert len(fed.pods.select("shop", f"{ROUTED}=true")) == 1

    fed.put(document(labels={"app": "web", ROUTED: "false"}))

    assert fed.pods.select("shop", f"{ROUTED}=true") == []
    assert len(fed.pods.select("shop", f"{ROUTED}=false")) == 1


def test_terminating_and_ended_pods_are_gone(fed: Fed) -> None:
    for name in ("web-0", "web-1", "web-2"):
        fed.put(ready(name, labels={"app": "web"}))
    ended = ready("web-1", labels={"app": "web"})
    ended["status"]["phase"] = "Failed"

    fed.put(ready("web-0", labels={"app": "web"}, deletionTimestamp=stamp(50)))
    fed.put(ended)

    assert [pod.name for pod in fed.pods.select("shop", "app=web")] == ["web-2"]


def test_who_was_asked_to_terminate_can_be_asked_for_until_it_is_gone(fed: Fed) -> None:
    def leaving(text: str, namespace: str = "shop") -> list[str]:
        return sorted(pod.name for pod in fed.pods.leaving(namespace, text))

    fed.put(ready("web-0", labels={"app": "web", "tier": "gpu"}))
    fed.put(ready("web-1", labels={"app": "web", "tier": "gpu"}))
    assert leaving("app=web") == []

    fed.put(ready("web-0", labels={"app": "web", "tier": "gpu"}, deletionTimestamp=stamp(50)))
    fed.put(loading("web-2", labels={"app": "web"}, deletionTimestamp=stamp(50)))  # it was on its way out when we came

    assert [leaving(text) for text in ("app=web", "app=web,tier=gpu", "tier", "tier!=gpu", "app=db", "")] == [
        ["web-0", "web-2"],
        ["web-0"],
        ["web-0"],
        ["web-2"],
        [],
        [],
    ]
    assert leaving("app=web", "elsewhere") == []
    assert fed.pods.get("shop", "web-0") is None
    assert [pod.name for pod in fed.pods.select("shop", "app")] == ["web-1"]
    assert fed.pods._starting == set()

    fed.put(ready("web-0", labels={"app": "web", "tier": "cpu"}, deletionTimestamp=stamp(50)))
    assert [leaving(text) for text in ("tier=gpu", "tier=cpu")] == [[], ["web-0"]]
    for name in ("web-0", "web-2"):
        fed.remove(ready(name, labels={"app": "web"}))
    assert leaving("app=web") == []
    assert fed.pods._leaving._found == {}


def test_a_pod_that_ends_while_it_terminates_is_gone_with_its_gpus(fed: Fed) -> None:
    fed.put(ready(labels={"app": "web"}, deletionTimestamp=stamp(50)))
    ended = ready(labels={"app": "web"}, deletionTimestamp=stamp(50))
    ended["status"]["phase"] = "Succeeded"

    fed.put(ended)

    assert fed.pods.leaving("shop", "app=web") == []


def test_a_pod_that_terminates_is_told_of_once_as_one_that_is_gone(fed: Fed) -> None:
    fed.put(ready(labels={"app": "web"}))
    fed.changes.clear()

    fed.put(ready(labels={"app": "web"}, deletionTimestamp=stamp(50)))
    fed.remove(ready(labels={"app": "web"}))

    assert fed.changes == ["web-0"]


def test_what_a_relist_no_longer_has_is_gone_and_the_same_again_is_no_change(fed: Fed) -> None:
    fed.replace(document("a", labels={"app": "web"}), document("b", labels={"app": "web"}))
    fed.changes.clear()

    fed.replace(document("b", labels={"app": "web"}))

    assert fed.changes == ["a"]
    assert [pod.name for pod in fed.pods.select("shop", "app=web")] == ["b"]


def test_the_last_words_of_an_older_pod_do_not_remove_its_successor(fed: Fed) -> None:
    fed.put(document(labels={"app": "web"}))
    fed.put(document(labels={"app": "web"}, uid="second"))

    fed.remove(document(labels={"app": "web"}))

    assert [pod.uid for pod in fed.pods.select("shop", "app=web")] == ["second"]


def test_a_start_is_told_once_when_the_pod_becomes_ready(fed: Fed) -> None:
    fed.put(document(labels={"app": "web"}))
    fed.put(loading(labels={"app": "web"}))
    assert fed.pods.starts("shop", "app=web") == []

    fed.put(ready(labels={"app": "web"}))

    expected = Sample(uid="uid-web-0", created_at=T0, scheduled_at=T0 + 1, started_at=T0 + 5, ready_at=T0 + 35)
    assert fed.pods.starts("shop", "app=db") == []
    assert fed.pods.starts("shop", "app=web") == [expected]
    assert fed.pods.starts("shop", "app=web") == []


@pytest.mark.parametrize(
    ("first", "why"),
    [
        (ready(labels={"app": "web"}), "it was ready when we came: nobody knows since when"),
        (loading(told_at=100, labels={"app": "web"}), "it says anew that it is not ready, long after it ran"),
        (loading(restarts=1, labels={"app": "web"}), "its container has crashed on the way"),
    ],
)
def test_a_pod_that_becomes_ready_again_is_no_start(fed: Fed, first: dict[str, Any], why: str) -> None:
    fed.put(first)
    restarts = first["status"]["containerStatuses"][0]["restartCount"]
    fed.put(loading(told_at=100, restarts=restarts, labels={"app": "web"}))

    fed.put(ready(at=130, restarts=restarts, labels={"app": "web"}))

    assert fed.pods.starts("shop", "app=web") == [], why


def test_a_start_that_nobody_asked_for_is_forgotten_with_its_pod(fed: Fed) -> None:
    fed.put(loading(labels={"app": "web"}))
    fed.put(ready(labels={"app": "web"}))

    fed.remove(ready(labels={"app": "web"}))

    assert (fed.pods._started, fed.pods._starting) == ({}, set())


labels = st.fixed_dictionaries({}, optional={"app": st.sampled_from(["web", "db"]), "tier": st.sampled_from(["gpu", "cpu"])})
events = st.lists(st.tuples(st.sampled_from(["put", "end", "remove"]), st.sampled_from(["a", "b", "c"]), labels), max_size=30)
SELECTORS = ("app=web", "app=db,tier=gpu", "tier!=gpu", "app in (web,db),tier=cpu", "app")


@given(events, st.sampled_from(SELECTORS))
def test_the_index_finds_what_a_search_of_all_pods_finds(drawn: list[tuple[str, str, dict[str, str]]], text: str) -> None:
    fed, plain, ending = Fed(), dict[str, dict[str, str]](), dict[str, dict[str, str]]()
    fed.pods.select("shop", text)  # the index is there from the start, or is made at the end
    for action, name, given_labels in drawn:
        if action == "put" and name not in ending:  # nobody takes back that a pod is to terminate
            fed.put(document(name, labels=given_labels))
            plain[name] = given_labels
        elif action == "end":
            fed.put(document(name, labels=given_labels, deletionTimestamp=stamp(50)))
            plain.pop(name, None)
            ending[name] = given_labels
        elif action == "remove":
            fed.remove(document(name, labels=given_labels))
            plain.pop(name, None)
            ending.pop(name, None)

    wanted = selector.parse(text)
    assert {pod.name for pod in fed.pods.select("shop", text)} == {name for name, each in plain.items() if wanted.matches(each)}
    assert {pod.name for pod in fed.pods.leaving("shop", text)} == {name for name, each in ending.items() if wanted.matches(each)}
    late = f"{text},app"
    both = selector.parse(late)
    assert {pod.name for pod in fed.pods.select("shop", late)} == {name for name, each in plain.items() if both.matches(each)}
