"""From a decision to what is done about it: which pods get requests, which are kept warm, and which shall go.

Pure: doing it is left to `autoscaler.cluster`. The order in which it is done matters, and is the order of `Plan`'s fields: warm
pods are promoted first, because that costs a second and the load is there now, and nothing is marked once the replicas are fewer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoscaler.decision.model import Decision
from autoscaler.resource.scaler import MANAGER, ROUTED, Mechanism
from autoscaler.seen import PodSeen, Pool, TargetSeen

_UNKNOWN_LOAD = float("inf")  # a pod that says nothing may be the busiest of all
_YOUNG_S = 60.0  # unless it has not been ready for long: its metrics are yet to be read, and its work to begin
_CHOOSES_BY_COST = frozenset({"Deployment", "ReplicaSet"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done, in the order in which to do it. An empty one says that the world is as decided."""

    route: tuple[PodSeen, ...] = ()  # held back until now, to get requests
    unmark: tuple[PodSeen, ...] = ()  # still carry a deletion cost of ours that serves no more
    victims: tuple[PodSeen, ...] = ()  # to be marked before the shrink, the first to go first
    scale_to: int | None = None
    hold: tuple[PodSeen, ...] = ()  # get requests until now, to be kept warm
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.route or self.unmark or self.hold) or self.scale_to is not None


def plan(decision: Decision, target: TargetSeen, pods: Sequence[PodSeen], pool: Pool, loads: Mapping[str, float]) -> Plan:
    """Return what *decision* asks of *target* and its *pods*.

    *loads* says by a pod's name how busy it is, in whatever unit, the same for all of them; a pod that is not in it counts as
    busier than any other, or as idle in its first minute. Whether the plan may be carried out (``decision.act``, the mode) is the
    caller's question.
    """
    scale_to = decision.replicas if decision.replicas != target.replicas else None
    shrinks = scale_to is not None and scale_to < target.replicas
    # A roll-out has more pods than replicas by itself, and takes away others than a shrink would.
    excess = 0 if target.rolling_out and not shrinks else max(0, len(pods) - decision.replicas)
    underway = excess > 0 and not shrinks
    doomed: Sequence[PodSeen] = ()
    if excess:
        doomed = (_about_to_go(target, pods) if underway else _first_to_go(target, pods, loads, decision.at))[:excess]
    gone = {pod.uid for pod in doomed}
    staying = [pod for pod in pods if pod.uid not in gone]
    routed = _routed(decision, target, staying, pool, loads)
    # Who goes is not ours to say while pods go: one held back now might be the last that stays.
    held = () if underway else tuple(pod for pod in staying if pod.uid not in routed and not _held(pod, pool))
    chooses = _chooses_by_cost(target)
    return Plan(
        route=tuple(pod for pod in staying if pod.uid in routed and _needs_routing(pod, pool)),
        unmark=() if underway else tuple(pod for pod in staying if _marked(pod)),
        victims=tuple(doomed) if shrinks and chooses else (),
        scale_to=scale_to,
        hold=held,
        note=_note(target) if shrinks and not chooses else "",
    )


def _routed(
    decision: Decision, target: TargetSeen, staying: Sequence[PodSeen], pool: Pool, loads: Mapping[str, float]
) -> frozenset[str]:
    """Return the uids of the pods that shall get requests."""
    everyone = frozenset(pod.uid for pod in staying)
    if pool.mechanism is Mechanism.HEADROOM or (pool.mechanism is Mechanism.GATE and target.rolling_out):
        return everyone  # under Gate a warm pod is not available, and the roll-out would wait for it for ever
    # What does not exist yet is warm before anything that does: it could not serve now anyway.
    to_come = max(0, decision.replicas - len(staying))
    warm = max(0, decision.warm - to_come)
    if not warm:
        return everyone
    holdable = sorted((pod for pod in staying if _holdable(pod, pool)), key=lambda pod: _worth(pod, loads, decision.at))
    return everyone - {pod.uid for pod in holdable[:warm]}


def _worth(pod: PodSeen, loads: Mapping[str, float], now: float) -> tuple[bool, bool, float, float, str]:
    """Order pods by what their requests are worth: who stands first is held back first.

    Starting before loaded, warm before routed (nothing changes hands without need), the least busy of the routed ones first, and
    of those alike the youngest.
    """
    loaded, warm = _loaded(pod), pod.warm(ROUTED)
    load = _load(pod, loads, now) if loaded and not warm else 0.0
    return loaded, not warm, load, -(_loaded_at(pod) if loaded else pod.created_at), pod.name


def _load(pod: PodSeen, loads: Mapping[str, float], now: float) -> float:
    known = loads.get(pod.name)
    if known is None:
        return 0.0 if now - _loaded_at(pod) < _YOUNG_S else _UNKNOWN_LOAD
    return known


def _loaded(pod: PodSeen) -> bool:
    """Return whether the pod could take requests now; a gate that is ours to open does not count."""
    return pod.ready or (pod.gate is False and pod.containers_ready)


def _loaded_at(pod: PodSeen) -> float:
    since = pod.containers_ready_at if pod.ready_at is None else pod.ready_at
    return pod.created_at if since is None else since


def _holdable(pod: PodSeen, pool: Pool) -> bool:
    """Return whether there is a way to hold this very pod: one older than its template's gate has none."""
    return pool.mechanism is Mechanism.LABEL or pod.gate is not None


def _held(pod: PodSeen, pool: Pool) -> bool:
    return pod.labels.get(ROUTED) == "false" if pool.mechanism is Mechanism.LABEL else pod.gate is False


def _needs_routing(pod: PodSeen, pool: Pool) -> bool:
    """Return whether something keeps requests from the pod: also what an earlier mechanism has left behind."""
    if pool.mechanism is Mechanism.LABEL and pod.labels.get(ROUTED) != "true":
        return True
    return pod.warm(ROUTED)


def _first_to_go(target: TargetSeen, pods: Sequence[PodSeen], loads: Mapping[str, float], now: float) -> list[PodSeen]:
    """Return *pods* in the order in which they shall go; none where one cannot choose."""
    if target.ordinal:
        return sorted(pods, key=_last_ordinal)
    if not _chooses_by_cost(target):
        return []

    def rank(pod: PodSeen) -> tuple[bool, bool, bool, int, bool, float, float, str]:
        loaded, warm = _loaded(pod), pod.warm(ROUTED)
        load = _load(pod, loads, now) if loaded and not warm else 0.0
        cost = 0 if _marked(pod) else _cost(pod)  # ours is from an earlier shrink, and from its load
        # Without a node, not started, not ready: that is where a ReplicaSet begins, whatever a cost says.
        return bool(pod.node), pod.running, loaded, cost, not warm, load, -pod.created_at, pod.name

    return sorted(pods, key=rank)


def _about_to_go(target: TargetSeen, pods: Sequence[PodSeen]) -> list[PodSeen]:
    """Return *pods* in the order in which they go now that the replicas are fewer already, as far as one can know it."""
    if target.ordinal:
        return sorted(pods, key=_last_ordinal)
    if not _chooses_by_cost(target):
        return []
    return sorted(pods, key=lambda pod: (bool(pod.node), pod.running, pod.ready, _cost(pod), -pod.created_at, pod.name))


def _marked(pod: PodSeen) -> bool:
    return pod.deletion_cost is not None and pod.deletion_cost_manager == MANAGER


def _cost(pod: PodSeen) -> int:
    """Return the deletion cost as a ReplicaSet reads it."""
    try:
        return int(pod.deletion_cost or "0")
    except ValueError:
        return 0  # what cannot be read costs nothing, as in the real controller


def _last_ordinal(pod: PodSeen) -> tuple[int, float]:
    return -_ordinal(pod), -pod.created_at


def _ordinal(pod: PodSeen) -> int:
    tail = pod.name.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdecimal() else -1


def _chooses_by_cost(target: TargetSeen) -> bool:
    return target.ref.kind in _CHOOSES_BY_COST and target.ref.api_version.startswith("apps/")


def _note(target: TargetSeen) -> str:
    if target.ordinal:
        return f"{target.ref} removes the highest ordinal, however busy that pod is"
    return f"{target.ref} does not let anybody choose which of its pods it removes"
