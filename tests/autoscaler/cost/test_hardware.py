"""What a node's labels say of its GPUs, cloud by cloud."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.cost import hardware
from autoscaler.cost.hardware import NOT_TOLD, PRODUCT_LABELS, Capacity, Hardware


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (
            {
                "nvidia.com/gpu.product": "NVIDIA-A10G",
                "karpenter.k8s.aws/instance-gpu-name": "a10g",
                "karpenter.sh/capacity-type": "spot",
                "node.kubernetes.io/instance-type": "g5.2xlarge",
            },
            Hardware("NVIDIA-A10G", Capacity.SPOT),
        ),
        (
            {"eks.amazonaws.com/instance-gpu-name": "l4", "karpenter.sh/capacity-type": "reserved"},
            Hardware("l4", Capacity.ON_DEMAND),
        ),
        (
            {"eks.amazonaws.com/capacityType": "SPOT", "node.kubernetes.io/instance-type": "p4d.24xlarge"},
            Hardware("p4d.24xlarge", Capacity.SPOT),
        ),
        ({"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"}, Hardware("unknown", Capacity.ON_DEMAND)),
        (
            {"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-spot": "true"},
            Hardware("nvidia-l4", Capacity.SPOT),
        ),
        (
            {"cloud.google.com/gke-accelerator": "nvidia-l4", "cloud.google.com/gke-preemptible": "true"},
            Hardware("nvidia-l4", Capacity.SPOT),
        ),
        ({"cloud.google.com/gke-provisioning": "spot"}, Hardware("unknown", Capacity.SPOT)),
        ({"cloud.google.com/gke-provisioning": "standard"}, Hardware("unknown", Capacity.ON_DEMAND)),
        ({"cloud.google.com/gke-nodepool": "gpus"}, Hardware("unknown", Capacity.ON_DEMAND)),
        (
            {"kubernetes.azure.com/agentpool": "gpus", "kubernetes.azure.com/scalesetpriority": "spot"},
            Hardware("unknown", Capacity.SPOT),
        ),
        (
            {"kubernetes.azure.com/agentpool": "gpus", "karpenter.azure.com/sku-gpu-name": "A100"},
            Hardware("A100", Capacity.ON_DEMAND),
        ),
        ({"beta.amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}, Hardware("AMD_Instinct_MI300X_OAM", Capacity.UNKNOWN)),
        ({"amd.com/gpu.product-name": "MI300X", "beta.amd.com/gpu.product-name": "older"}, Hardware("MI300X", Capacity.UNKNOWN)),
        ({"karpenter.sh/capacity-type": "something new"}, NOT_TOLD),
        ({"nvidia.com/gpu.product": ""}, NOT_TOLD),
        ({}, NOT_TOLD),
    ],
)
def test_each_cloud_says_it_in_its_own_way(labels: dict[str, str], found: Hardware) -> None:
    assert hardware.of(labels) == found


@given(st.dictionaries(st.sampled_from([*PRODUCT_LABELS, "karpenter.sh/capacity-type", "other"]), st.text(max_size=8)))
def test_whatever_the_labels_say_there_is_a_product_and_a_capacity(labels: dict[str, str]) -> None:
    found = hardware.of(labels)

    assert found.gpu
    assert found.capacity in Capacity
    assert hardware.of(dict(reversed(labels.items()))) is found
