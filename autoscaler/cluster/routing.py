"""Giving requests to warm pods, and keeping them from others: a label that Services select, or a readiness gate.

A pod is promoted by one write, with nothing to load: its Service lists it within a second.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from autoscaler.cluster import podpatches
from autoscaler.cluster.podpatches import Outcome, PodPatch
from autoscaler.cluster.requests import STRATEGIC_PATCH, Requests
from autoscaler.resource.scaler import ROUTED, Mechanism
from autoscaler.seen import PodSeen


async def promote(kube: Requests, pods: Sequence[PodSeen], mechanism: Mechanism, *, now: float) -> Outcome:
    """Give requests to *pods*: whatever keeps them from each is taken away, left over from an earlier *mechanism* or not."""
    return await podpatches.send(kube, [patch for pod in pods for patch in _promotions(pod, mechanism, now)])


async def hold(kube: Requests, pods: Sequence[PodSeen], mechanism: Mechanism, *, now: float) -> Outcome:
    """Keep requests from *pods*; under Headroom there is no way to."""
    return await podpatches.send(kube, [patch for pod in pods for patch in _holds(pod, mechanism, now)])


def _promotions(pod: PodSeen, mechanism: Mechanism, now: float) -> Iterator[PodPatch]:
    label = pod.labels.get(ROUTED)
    if label == "false" or (mechanism is Mechanism.LABEL and label != "true"):
        yield _labelled(pod, routed=True)
    if pod.gate is False:
        yield _gated(pod, now, routed=True)


def _holds(pod: PodSeen, mechanism: Mechanism, now: float) -> Iterator[PodPatch]:
    match mechanism:
        case Mechanism.LABEL:
            yield _labelled(pod, routed=False)
        case Mechanism.GATE:
            yield _gated(pod, now, routed=False)
        case Mechanism.HEADROOM:
            return


def _labelled(pod: PodSeen, *, routed: bool) -> PodPatch:
    return PodPatch(pod, {"metadata": {"labels": {ROUTED: "true" if routed else "false"}}})


def _gated(pod: PodSeen, now: float, *, routed: bool) -> PodPatch:
    condition = {
        "type": ROUTED,
        "status": "True" if routed else "False",
        "reason": "Routed" if routed else "Warm",
        "message": "" if routed else "kept ready without requests, to be promoted when the load grows",
        "lastTransitionTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    # Strategic: conditions merge by type, and kubelet's own stay as they are.
    return PodPatch(pod, {"status": {"conditions": [condition]}}, STRATEGIC_PATCH, "status")
