"""What is kept of nodes: which GPUs they have, how they were bought, and whether pods share them. Fed by hand."""

import itertools
from typing import Any

import pytest

from autoscaler.cluster.nodes import Nodes
from autoscaler.cost.hardware import NOT_TOLD, Capacity, Hardware
from tests.autoscaler.cluster.feeding import Feed, Unreachable


class Fed(Feed):
    """Nodes that are told of one by one."""

    def __init__(self) -> None:
        self.nodes = Nodes(kube=Unreachable())
        super().__init__(self.nodes._mirror)


@pytest.fixture
def fed() -> Fed:
    return Fed()


def node(name: str = "gpu-1", **labels: str) -> dict[str, Any]:
    told = {f"nvidia.com/gpu.{key}": value for key, value in labels.items()}
    return {"metadata": {"name": name, "uid": f"uid-{name}", "labels": {"karpenter.sh/capacity-type": "spot", **told}}}


def test_a_nodes_labels_say_what_gpus_it_has_and_an_unknown_node_has_unknown_ones(fed: Fed) -> None:
    fed.put(node(product="NVIDIA-L4"))

    assert fed.nodes.hardware("gpu-1") == Hardware("NVIDIA-L4", Capacity.SPOT)
    assert fed.nodes.hardware("gpu-2") == NOT_TOLD
    fed.remove(node())
    assert fed.nodes.hardware("gpu-1") == NOT_TOLD


def test_the_version_changes_with_what_gpus_there_are_and_with_nothing_else(fed: Fed) -> None:
    versions = [fed.nodes.version]
    for change in (node(), node(product="NVIDIA-L4"), node(product="NVIDIA-L4", replicas="4"), node(product="NVIDIA-L40S")):
        fed.put(change)
        versions.append(fed.nodes.version)
    fed.remove(node())
    versions.append(fed.nodes.version)

    # It came, its product was learned, its GPUs were shared, it got another product, it went.
    assert [later - earlier for earlier, later in itertools.pairwise(versions)] == [1, 1, 0, 1, 1]


def test_a_node_whose_gpus_are_shared_is_known_as_long_as_they_are(fed: Fed) -> None:
    fed.put(node(replicas="4"))
    shared = fed.nodes.shared
    fed.put(node(replicas="1"))

    assert (shared, fed.nodes.shared) == ({"gpu-1"}, frozenset())
