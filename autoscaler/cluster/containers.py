"""How many GPUs a pod holds: the sum over what its containers ask the device plugins for.

Whole devices count, of any vendor: ``nvidia.com/gpu``, ``amd.com/gpu``. A slice (``nvidia.com/mig-1g.10gb``) and a share
(``nvidia.com/gpu.shared``) count as none: they are a part of a device that the cluster does not say the size of, and a budget in
whole GPUs would only pretend to know it. The same goes for what is claimed by dynamic resource allocation.
"""

from collections.abc import Iterable, Mapping

import msgspec

Amounts = Mapping[str, str | int]


class _Resources(msgspec.Struct, gc=False):
    limits: dict[str, str | int] | None = None
    requests: dict[str, str | int] | None = None


class Container(msgspec.Struct, gc=False, rename="camel"):
    """What is read of a container."""

    resources: _Resources = msgspec.field(default_factory=_Resources)
    restart_policy: str = ""  # `Always` makes a sidecar of an init container


class Gate(msgspec.Struct, gc=False, rename="camel"):
    """What is read of a readiness gate."""

    condition_type: str


class PodSpec(msgspec.Struct, gc=False, rename="camel"):
    """What is read of a pod's spec, or of a template's."""

    node_name: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    readiness_gates: list[Gate] | None = None
    priority_class_name: str = ""

    @property
    def gpus(self) -> int:
        """Return how many whole GPUs such a pod holds: for all its containers, or for the greediest that runs before them."""
        first = self.init_containers or ()
        together = [*(self.containers or ()), *(each for each in first if each.restart_policy == "Always")]
        return max(sum(map(_gpus, together)), max(map(_gpus, first), default=0))


def _gpus(container: Container) -> int:
    resources = container.resources
    # Extended resources have equal requests and limits; of one that is given alone the API server makes the other.
    return _whole((resources.limits or resources.requests or {}).items())


def _whole(amounts: Iterable[tuple[str, str | int]]) -> int:
    return sum(int(amount) for resource, amount in amounts if resource.endswith("/gpu") and str(amount).isdecimal())
