"""The inventory: which pods are live, who owns them, and when an answer made from it is no longer good."""

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapter import selector
from adapter.metric import ObjectRef
from adapter.workload import Inventory, Owner, Pod
from tests import strategies

DEPLOYMENT = Owner("apps/v1", "Deployment", "web")
REPLICASET = Owner("apps/v1", "ReplicaSet", "web-1")


def pod(name: str = "web-1-a", owner: Owner | None = REPLICASET) -> Pod:
    return Pod("team-a", name, f"uid-{name}", {"app": "web"}, owner=owner)


class InventoryAgainstADictionary(RuleBasedStateMachine):
    """Whatever comes in whatever order, the inventory holds what a dictionary would, and says when a namespace changed."""

    def __init__(self) -> None:
        super().__init__()
        self.inventory = Inventory()
        self.model: dict[tuple[str, str], Pod] = {}
        self.seen: dict[str, tuple[int, tuple[Pod, ...]]] = {}

    @rule(pod=strategies.pods())
    def put(self, pod: Pod) -> None:
        self.inventory.put(pod)
        self.model[pod.namespace, pod.name] = pod

    @rule(pod=strategies.pods(), by_uid=st.booleans())
    def remove(self, pod: Pod, by_uid: bool) -> None:
        self.inventory.remove(pod.namespace, pod.name, pod.uid if by_uid else None)
        self.model.pop((pod.namespace, pod.name), None)

    @rule(pod=strategies.pods())
    def remove_an_earlier_incarnation(self, pod: Pod) -> None:
        self.inventory.remove(pod.namespace, pod.name, "uid-of-before")

    @invariant()
    def holds_the_same_pods(self) -> None:
        assert {(pod.namespace, pod.name): pod for pod in self.inventory.pods()} == self.model
        for (namespace, name), pod in self.model.items():
            assert self.inventory.pod(namespace, name) == pod

    @invariant()
    def selects_by_labels_in_the_order_of_names(self) -> None:
        found = self.inventory.select("team-a", selector.parse("app=web"))
        expected = [pod for (space, _), pod in self.model.items() if space == "team-a" and pod.labels.get("app") == "web"]
        assert found == sorted(expected, key=lambda pod: pod.name)

    @invariant()
    def says_that_a_namespace_changed_whenever_it_did_and_only_then(self) -> None:
        for namespace in strategies.NAMESPACES:
            now = tuple(sorted((pod for pod in self.model.values() if pod.namespace == namespace), key=lambda pod: pod.name))
            generation, before = self.seen.get(namespace, (0, ()))
            if now != before:
                assert self.inventory.generation(namespace) != generation
            self.seen[namespace] = (self.inventory.generation(namespace), now)


InventoryAgainstADictionary.TestCase.settings = settings(max_examples=25, stateful_step_count=20)
TestInventoryAgainstADictionary = InventoryAgainstADictionary.TestCase


def test_a_pod_that_is_put_again_unchanged_touches_nothing() -> None:
    inventory = Inventory()
    inventory.put(pod())
    generation = inventory.generation("team-a")

    inventory.put(pod())

    assert inventory.generation("team-a") == generation


@pytest.mark.parametrize(
    ("api_version", "kind", "resource"),
    [
        ("apps/v1", "Deployment", "deployments.apps"),
        ("v1", "ReplicationController", "replicationcontrollers"),
        ("batch/v1", "Job", "jobs.batch"),
        ("networking.k8s.io/v1", "Ingress", "ingresses.networking.k8s.io"),
        ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies.networking.k8s.io"),
        ("gateway.networking.k8s.io/v1", "Gateway", "gateways.gateway.networking.k8s.io"),
        ("serving.kserve.io/v1beta1", "InferenceService", "inferenceservices.serving.kserve.io"),
        ("example.com/v1", "Box", "boxes.example.com"),
        ("example.com/v1", "Batch", "batches.example.com"),
    ],
)
def test_a_kind_is_served_under_its_plural_with_its_group(api_version: str, kind: str, resource: str) -> None:
    assert Owner(api_version, kind, "x").resource == resource


def test_the_topmost_controller_is_the_workload() -> None:
    inventory = Inventory()
    inventory.put_owner("team-a", "ReplicaSet", "web-1", DEPLOYMENT)

    assert inventory.workload(pod()) == ObjectRef("deployments.apps", "team-a", "web")
    assert inventory.workload(pod(owner=Owner("apps/v1", "StatefulSet", "db"))) == ObjectRef("statefulsets.apps", "team-a", "db")
    assert inventory.workload(pod(owner=None)) is None


def test_owners_that_own_each_other_end_somewhere() -> None:
    inventory = Inventory()
    inventory.put_owner("team-a", "ReplicaSet", "web-1", replace(REPLICASET, name="web-2"))
    inventory.put_owner("team-a", "ReplicaSet", "web-2", REPLICASET)

    assert inventory.controller(pod()) is not None


@pytest.mark.parametrize("owner", [DEPLOYMENT, None])
def test_a_changed_owner_changes_the_namespace_and_an_unchanged_one_does_not(owner: Owner | None) -> None:
    inventory = Inventory()
    inventory.put_owner("team-a", "ReplicaSet", "web-1", Owner("apps/v1", "Deployment", "before"))
    generation = inventory.generation("team-a")

    inventory.put_owner("team-a", "ReplicaSet", "web-1", owner)
    changed = inventory.generation("team-a")
    inventory.put_owner("team-a", "ReplicaSet", "web-1", owner)

    assert changed != generation
    assert inventory.generation("team-a") == changed


def test_a_node_is_shared_until_it_is_said_not_to_be() -> None:
    inventory = Inventory()

    inventory.set_node_shared("gpu-0", shared=True)
    inventory.set_node_shared("gpu-1", shared=True)
    inventory.set_node_shared("gpu-0", shared=False)
    inventory.set_node_shared("gpu-9", shared=False)

    assert inventory.shared_nodes() == {"gpu-1"}
