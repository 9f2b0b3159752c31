"""Which pods go first: ReplicaSets ask for it, by an annotation that others may use too.

It is written just before a shrink and taken away after it: Kubernetes asks that it be changed seldom, and one that stays would
choose the pods of a later shrink by an old load. Costs that somebody else has set stand.
"""

from collections.abc import Sequence

from autoscaler.cluster import podpatches
from autoscaler.cluster.podpatches import Outcome, PodPatch
from autoscaler.cluster.requests import Requests
from autoscaler.resource.scaler import MANAGER
from autoscaler.seen import PodSeen

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


async def mark(kube: Requests, victims: Sequence[PodSeen]) -> Outcome:
    """Have *victims* go first, in their order; a pod whose cost somebody else has set is left as it is.

    A pod without a cost counts as 0, so the last one to go gets −1, the one before it −2, and so on.
    """
    ranked = [(pod, rank - len(victims)) for rank, pod in enumerate(victims)]
    return await podpatches.send(kube, [_cost(pod, str(cost)) for pod, cost in ranked if not _foreign(pod)])


async def unmark(kube: Requests, pods: Sequence[PodSeen]) -> Outcome:
    """Take away the costs that we have set on *pods*."""
    ours = [pod for pod in pods if pod.deletion_cost is not None and pod.deletion_cost_manager == MANAGER]
    return await podpatches.send(kube, [_cost(pod, None) for pod in ours])


def _foreign(pod: PodSeen) -> bool:
    return pod.deletion_cost is not None and pod.deletion_cost_manager != MANAGER


def _cost(pod: PodSeen, cost: str | None) -> PodPatch:
    return PodPatch(pod, {"metadata": {"annotations": {DELETION_COST: cost}}})
