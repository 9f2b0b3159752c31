"""How soon 1,000 targets that step over their target at once are scaled: the first, the median, and the last of them.

By the real HPA controller at its default flags, and then by ours at its own, on one control plane, in one run, from the same page.
The step is one that no queue makes urgent: utilisation goes from 60 to 95 of 70, the queue from 8 to 15 of 10.
"""

import time
from pathlib import Path

from benchmarks import pods, rivals, scalings
from benchmarks.claims import say
from benchmarks.page import Page, Values
from benchmarks.scalings import Spread
from tests.cluster.controlplane import ControlPlane

NAMESPACE = "step"
_TARGETS = {"DCGM_FI_DEV_GPU_UTIL": "70", "inference_queue_size": "10"}
_CALM, _HIGH = Values(60, 8), Values(95, 15)
_DEADLINE_S = 400.0
_SETTLE_S = 10.0


def measure(plane: ControlPlane, served: Page, folder: Path, count: int) -> tuple[Spread, Spread]:
    """Return how long HPA took from the step to the changed replicas of *count* targets, and how long we took."""
    plane.kubectl("create", "namespace", NAMESPACE)
    names = [f"engine-{number}" for number in range(count)]
    say(f"creating {count} Deployments …")
    rivals.create(plane, [pods.deployment(name, NAMESPACE, 1) for name in names])
    hpas = [rivals.hpa(name, NAMESPACE, _TARGETS) for name in names]
    _calm(plane, served, count)
    with rivals.hpa_as_shipped(plane):
        say(f"creating {count} HPAs …")
        rivals.create(plane, hpas)
        rivals.wait_active(plane, NAMESPACE, count)
        theirs = _step(plane, served, names)
        rivals.delete_all(plane, rivals.HPAS, NAMESPACE)
    say("back to one replica each …")
    rivals.scale_all(plane, NAMESPACE, names, 1)
    _calm(plane, served, count)
    with rivals.hpa_as_shipped(plane), rivals.ours(plane, folder / "ours-step"):
        say(f"creating {count} scalers …")
        rivals.create(plane, [rivals.scaler(document) for document in hpas])
        rivals.wait_decided(plane, NAMESPACE, count)
        time.sleep(_SETTLE_S)
        mine = _step(plane, served, names)
    return theirs, mine


def _calm(plane: ControlPlane, served: Page, count: int) -> None:
    served.forget()
    served.show(dict.fromkeys(pods.wait_ready(plane, NAMESPACE, count), _CALM))


def _step(plane: ControlPlane, served: Page, names: list[str]) -> Spread:
    say("the step …")
    with scalings.watch(plane, NAMESPACE) as seen:
        served.show(dict.fromkeys(served.pods, _HIGH))
        began = time.monotonic()
        return scalings.spread(seen.wait(dict.fromkeys(names, began), deadline_s=_DEADLINE_S))
