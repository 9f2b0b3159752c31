"""Which GPU a node has and how its capacity was bought, as the labels of the common clouds and operators say it."""

import enum
import functools
from collections.abc import Mapping
from typing import NamedTuple

UNKNOWN = "unknown"

#: Where a GPU's product stands, the most exact first: what the driver says, the cloud's own name, and at last the machine's type.
PRODUCT_LABELS = (
    "nvidia.com/gpu.product",  # GPU feature discovery
    "amd.com/gpu.product-name",  # AMD's node labeller
    "beta.amd.com/gpu.product-name",
    "cloud.google.com/gke-accelerator",
    "karpenter.k8s.aws/instance-gpu-name",
    "eks.amazonaws.com/instance-gpu-name",  # EKS Auto Mode
    "karpenter.azure.com/sku-gpu-name",
    "node.kubernetes.io/instance-type",
)


class Capacity(enum.StrEnum):
    """How a machine was bought, as far as its price goes."""

    ON_DEMAND = "on-demand"
    """It is ours until we give it back; what was reserved is, too."""
    SPOT = "spot"
    """It can be taken away at any time, and costs less."""
    UNKNOWN = "unknown"


class Hardware(NamedTuple):
    """A product and how it was bought: what a price is of."""

    gpu: str = UNKNOWN
    capacity: Capacity = Capacity.UNKNOWN


#: Of a node that is not known, or says nothing.
NOT_TOLD = Hardware()

#: What the labels say, and what it means; the first that is there decides.
_CAPACITIES: tuple[tuple[str, Mapping[str, Capacity]], ...] = (
    (
        "karpenter.sh/capacity-type",
        {"spot": Capacity.SPOT, "on-demand": Capacity.ON_DEMAND, "reserved": Capacity.ON_DEMAND},
    ),
    (
        "eks.amazonaws.com/capacityType",
        {"SPOT": Capacity.SPOT, "ON_DEMAND": Capacity.ON_DEMAND, "CAPACITY_BLOCK": Capacity.ON_DEMAND},
    ),
    ("cloud.google.com/gke-spot", {"true": Capacity.SPOT}),
    ("cloud.google.com/gke-preemptible", {"true": Capacity.SPOT}),
    (
        "cloud.google.com/gke-provisioning",
        {"spot": Capacity.SPOT, "preemptible": Capacity.SPOT, "standard": Capacity.ON_DEMAND},
    ),
    ("kubernetes.azure.com/scalesetpriority", {"spot": Capacity.SPOT, "regular": Capacity.ON_DEMAND}),
)

#: Labels of nodes whose cloud marks its spot nodes by one of the labels above, and no others.
_MARKED = ("cloud.google.com/gke-nodepool", "kubernetes.azure.com/agentpool")


def of(labels: Mapping[str, str]) -> Hardware:
    """Return what the *labels* of a node say of its GPUs; what they do not say is ``unknown``."""
    product = next((labels[label] for label in PRODUCT_LABELS if labels.get(label)), UNKNOWN)
    return _shared(product, _capacity(labels))


def _capacity(labels: Mapping[str, str]) -> Capacity:
    for label, meanings in _CAPACITIES:
        if (meaning := meanings.get(labels.get(label, ""))) is not None:
            return meaning
    return Capacity.ON_DEMAND if any(label in labels for label in _MARKED) else Capacity.UNKNOWN


@functools.lru_cache(maxsize=1024)
def _shared(product: str, capacity: Capacity) -> Hardware:
    """Return one object for all nodes of a kind: there are thousands of them, and they are compared all the time."""
    return Hardware(product, capacity)
