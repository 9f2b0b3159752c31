"""Cases of the alerts on scalers, as the controller shows them."""

from tests.manifests.prometheus.cases import Case, Fired, Shows, series

WHOSE = {"namespace": "llm", "scaler": "qwen", "target": "Deployment/qwen"}


def _own(name: str, leader: int = 0, **labels: str) -> str:
    """Return a scaler's series of the replica *leader* of the controller."""
    said = {
        **WHOSE,
        "job": "leadtime-autoscaler",
        "pod": f"leadtime-autoscaler-{leader}",
        "instance": f"10.0.0.{leader}:8443",
        **labels,
    }
    return series(name, said)


def _replicas(**figures: str) -> dict[str, str]:
    return {_own(f"leadtime_{name}_replicas"): values for name, values in figures.items()}


def _condition(kind: str, reason: str, leader: int = 0) -> str:
    return _own("leadtime_condition", leader, type=kind, reason=reason)


_LOAD = "LeadtimeModelLoadSlow"
# Both of two starts are between 120 and 300 s: 120 + 180 × 0.9.
_SLOW = Fired(
    WHOSE,
    "Models of llm/qwen take long to load.",
    "Pods of Deployment/qwen in llm that started within the last hour took about 4m 42s from their containers' start until they"
    " were ready. What is scaled up comes as late.",
)


def _loads(within_120: str, in_all: str, phase: str = "loading") -> dict[str, str]:
    bounds = {"60.0": "0".join(within_120.split("2")), "120.0": within_120, "300.0": in_all, "+Inf": in_all}
    return {_own("leadtime_startup_duration_seconds_bucket", phase=phase, le=le): values for le, values in bounds.items()}


_LOADING = (
    Case(_LOAD, Shows.FIRES, "the first two loads that are seen take minutes", "10m", _loads("_x10 0x30", "_x10 2x30"), [_SLOW]),
    Case(_LOAD, Shows.FIRES, "later ones do", "90m", _loads("40x300", "40x80 42x90"), [_SLOW]),
    Case(_LOAD, Shows.BELOW, "they take less than two minutes", "10m", _loads("_x10 2x30", "_x10 2x30")),
    Case(_LOAD, Shows.TOO_SHORT, "those that did are more than an hour ago", "150m", _loads("40x300", "40x80 42x90")),
    Case(
        _LOAD, Shows.BELOW, "it is the image that takes long", "10m", _loads("_x10 0x30", "_x10 2x30", phase="pulling_and_loading")
    ),
    Case(_LOAD, Shows.UNSEEN, "the controller is gone", "30m", _loads("_x10 0x5 stale", "_x10 2x5 stale")),
)

_READY = "LeadtimeNotReady"
_LOST = Fired(
    WHOSE,
    "llm/qwen is not scaled: it is not ready.",
    "The InferenceScaler llm/qwen contradicts itself, or its target Deployment/qwen cannot be read or scaled. Its replicas stay"
    " as they are.",
)
_READINESS = (
    Case(_READY, Shows.FIRES, "its target is not there", "5m", {_condition("Ready", "TargetNotFound"): "0x9"}, [_LOST]),
    Case(_READY, Shows.BELOW, "it is ready", "9m", {_condition("Ready", "Ready"): "1x9"}),
    Case(_READY, Shows.TOO_SHORT, "for less than five minutes", "4m", {_condition("Ready", "TargetNotFound"): "0x9"}),
    Case(
        _READY,
        Shows.TOO_SHORT,
        "it was ready a moment ago",
        "8m",
        {_condition("Ready", "Ready"): "1x3 stale", _condition("Ready", "TargetNotFound"): "_x4 0x9"},
    ),
    Case(
        _READY,
        Shows.FIRES,
        "another replica leads from now on, and another reason is given",
        "6m",
        {_condition("Ready", "TargetNotFound", 0): "0x2 stale", _condition("Ready", "ScaleForbidden", 1): "_x4 0x9"},
        [_LOST],
    ),
    Case(
        _READY, Shows.UNSEEN, "the controller went before it had lasted", "9m", {_condition("Ready", "TargetNotFound"): "0x3 stale"}
    ),
    Case(
        _READY, Shows.FIRES, "the controller goes afterwards", "10m", {_condition("Ready", "TargetNotFound"): "0x7 stale"}, [_LOST]
    ),
)

_MAX = "LeadtimeAtMaxWithBacklog"


def _full(demand: str, current: str = "8x30", limit: str = "8x30") -> dict[str, str]:
    return {
        _own("leadtime_signal_demand", signal="inference_queue_size"): demand,
        _own("leadtime_signal_demand", signal="gpu_utilization"): "3x30",
        **_replicas(current=current, max=limit),
    }


_SHORT = Fired(
    WHOSE,
    "llm/qwen is at its maximum, and that is not enough.",
    "Deployment/qwen in llm has as many replicas as it may have, and its signals ask for 1.5 times as many.",
)
_MAXIMA = (
    Case(_MAX, Shows.FIRES, "twelve are asked for, and eight allowed", "10m", _full("12x30"), [_SHORT]),
    Case(_MAX, Shows.BELOW, "the tolerance is not exceeded", "30m", _full("8.8x30")),
    Case(_MAX, Shows.BELOW, "it has not yet as many as it may have", "30m", _full("12x30", current="7x30")),
    Case(_MAX, Shows.FIRES, "one failed scrape does not begin it anew", "10m", _full("12x30", limit="8x4 stale 8x20"), [_SHORT]),
    Case(_MAX, Shows.TOO_SHORT, "for less than ten minutes", "9m", _full("12x30")),
    Case(_MAX, Shows.FIRES, "its signal is missing for a minute", "10m", _full("12x4 stale 12x20"), [_SHORT]),
    Case(
        _MAX,
        Shows.UNSEEN,
        "what is asked for is not known",
        "12m",
        _full("12x4 stale") | {_own("leadtime_signal_demand", signal="gpu_utilization"): "3x4 stale"},
    ),
)

_STUCK = "LeadtimeScaleUpNotProgressing"


def _waits(current: str, ready: str, **causes: str) -> dict[str, str]:
    known = {"unschedulable": "0x40", "image": "0x40", "loading": "0x40", **causes}
    return {
        **_replicas(current=current, ready=ready),
        **{_own("leadtime_waiting_pods", cause=cause): values for cause, values in known.items()},
    }


def _waiting(pods: int, cause: str) -> Fired:
    return Fired(
        {**WHOSE, "cause": cause},
        f"Pods of llm/qwen do not become ready: {cause}.",
        f"{pods} pods of Deployment/qwen in llm are wanted and not ready, for the cause {cause}, and none has become ready for a"
        " quarter of an hour.",
    )


_PROGRESS = (
    Case(
        _STUCK,
        Shows.FIRES,
        "no node takes two",
        "15m",
        _waits("5x40", "3x40", unschedulable="2x40"),
        [_waiting(2, "unschedulable")],
    ),
    Case(
        _STUCK,
        Shows.FIRES,
        "one pulls its image, and another loads",
        "15m",
        _waits("5x40", "3x40", image="1x40", loading="1x40"),
        [_waiting(1, "image"), _waiting(1, "loading")],
    ),
    Case(_STUCK, Shows.FIRES, "no pod is made", "15m", _waits("5x40", "3x40"), [_waiting(2, "no_pods")]),
    Case(_STUCK, Shows.BELOW, "as many are ready as are wanted", "40m", _waits("3x40", "3x40", loading="1x40")),
    Case(_STUCK, Shows.BELOW, "one after the other becomes ready", "35m", _waits("20x40", "3+0.2x40", loading="2x40")),
    Case(_STUCK, Shows.TOO_SHORT, "for less than a quarter of an hour", "14m", _waits("5x40", "3x40", unschedulable="2x40")),
    Case(
        _STUCK,
        Shows.FIRES,
        "one failed scrape does not begin it anew",
        "15m",
        _waits("5x6 stale 5x30", "3x6 stale 3x30", loading="2x6 stale 2x30"),
        [_waiting(2, "loading")],
    ),
    Case(
        _STUCK,
        Shows.UNSEEN,
        "what the pods wait for is not known",
        "40m",
        _replicas(current="5x40", ready="3x40"),
    ),
)

_BLOCKED = "LeadtimeCapacityBlocked"
_NO_ROOM = Fired(
    WHOSE,
    "llm/qwen cannot have the GPUs that it wants.",
    "Deployment/qwen in llm wants more pods than nodes or its budget of GPUs have room for, and no more are asked for.",
)
_BUDGET = _condition("CapacityBlocked", "BudgetExhausted")
_CAPACITY = (
    Case(_BLOCKED, Shows.FIRES, "its budget is used up", "15m", {_BUDGET: "1x20"}, [_NO_ROOM]),
    Case(_BLOCKED, Shows.BELOW, "it has them", "30m", {_condition("CapacityBlocked", "Available"): "0x30"}),
    Case(_BLOCKED, Shows.TOO_SHORT, "for less than a quarter of an hour", "14m", {_BUDGET: "1x20"}),
    Case(_BLOCKED, Shows.FIRES, "one failed scrape does not begin it anew", "15m", {_BUDGET: "1x5 stale 1x20"}, [_NO_ROOM]),
    Case(_BLOCKED, Shows.UNSEEN, "the controller went before it had lasted", "16m", {_BUDGET: "1x9 stale"}),
)

_OSCILLATES = "LeadtimeFlapping"
_UP_AND_DOWN = Fired(
    WHOSE,
    "llm/qwen goes up and down.",
    "The replicas of Deployment/qwen in llm have changed their direction 4 times within half an hour. Each rise starts pods that"
    " the next fall takes away.",
)
_CURRENT = _own("leadtime_current_replicas")
_FLAPS = "2x1 4x1 2x1 4x1 2x1 4x1"  # it rises in minute 2 and falls in minute 4, and so on
_DIRECTIONS = (
    Case(_OSCILLATES, Shows.FIRES, "it rises three times, and falls in between", "10m", {_CURRENT: _FLAPS}, [_UP_AND_DOWN]),
    Case(_OSCILLATES, Shows.BELOW, "the last rise is yet to come", "9m", {_CURRENT: _FLAPS}),
    Case(_OSCILLATES, Shows.BELOW, "a day's peak goes up in steps, and down in steps", "14m", {_CURRENT: "1+1x6 7-1x6"}),
    Case(_OSCILLATES, Shows.TOO_SHORT, "it takes hours", "130m", {_CURRENT: "2x30 4x30 2x30 4x30 2x30"}),
    Case(
        _OSCILLATES,
        Shows.UNSEEN,
        "the controller comes and goes",
        "12m",
        {_CURRENT: "4 stale 4 stale 4 stale 4 stale 4 stale 4 stale"},
    ),
)

_POOL = "LeadtimeWarmPoolEmpty"


def _pool(ready: str, *, mode: str = "Auto", serving: str = "3x30", warm: str = "2x30") -> dict[str, str]:
    info = _own("leadtime_scaler_info", mode=mode, warm_pool="Label", forecast="Auto")
    return {**_replicas(warm=warm, serving=serving, ready=ready), info: "1x30"}


_NONE_WARM = Fired(
    WHOSE,
    "llm/qwen has no warm pod ready.",
    "2 warm pods of Deployment/qwen in llm are wanted, and none is ready beside those that serve. The next rise of the load waits"
    " for a whole start.",
)
_POOLS = (
    Case(_POOL, Shows.FIRES, "only those that serve are ready", "10m", _pool("3x30"), [_NONE_WARM]),
    Case(_POOL, Shows.BELOW, "one of two is ready", "30m", _pool("4x30")),
    Case(_POOL, Shows.BELOW, "no warm pod is wanted", "30m", _pool("3x30", warm="0x30")),
    Case(_POOL, Shows.BELOW, "nothing is done of what is decided", "30m", _pool("3x30", mode="Recommend")),
    Case(_POOL, Shows.TOO_SHORT, "for less than ten minutes", "9m", _pool("3x30")),
    Case(
        _POOL,
        Shows.FIRES,
        "one failed scrape does not begin it anew",
        "10m",
        _pool("3x5 stale 3x20", serving="3x5 stale 3x20"),
        [_NONE_WARM],
    ),
    Case(_POOL, Shows.UNSEEN, "what is ready is not known", "30m", _pool("_x30")),
)

_ZERO = "LeadtimeZeroWithBacklog"


def _asleep(demand: str, current: str = "0x20") -> dict[str, str]:
    return {_own("leadtime_signal_demand", signal="gateway_queue"): demand, **_replicas(current=current)}


_NOT_WOKEN = Fired(
    WHOSE,
    "Requests wait for llm/qwen, which has no replica.",
    "The signals of Deployment/qwen in llm ask for 0.80 replicas, there are none, and it is not woken.",
)
_ASLEEP = (
    Case(_ZERO, Shows.FIRES, "a gateway's queue asks for one", "2m", _asleep("0.8x20"), [_NOT_WOKEN]),
    Case(_ZERO, Shows.BELOW, "what there is counts as no work", "20m", _asleep("0.02x20")),
    Case(_ZERO, Shows.BELOW, "it has a replica", "20m", _asleep("0.8x20", "1x20")),
    Case(_ZERO, Shows.TOO_SHORT, "for less than two minutes", "1m", _asleep("0.8x20")),
    Case(
        _ZERO,
        Shows.FIRES,
        "one failed scrape does not begin it anew",
        "3m",
        _asleep("0.8 stale 0.8x9", "0 stale 0x9"),
        [_NOT_WOKEN],
    ),
    Case(_ZERO, Shows.UNSEEN, "how many there are is not known", "20m", _asleep("0.8x20", "_x20")),
)

_RIVAL = "LeadtimeConflictingWriter"
_OTHER = Fired(
    WHOSE,
    "Somebody else sets the replicas of llm/qwen.",
    "Another writer sets the replicas of Deployment/qwen in llm; the condition Conflict of the InferenceScaler names it. One of"
    " the two has to go.",
)
_YIELDED = _condition("Conflict", "Yielded")
_RIVALS = (
    Case(_RIVAL, Shows.FIRES, "another writer's number stands", "1m", {_YIELDED: "1x9"}, [_OTHER]),
    Case(_RIVAL, Shows.BELOW, "nobody else writes", "9m", {_condition("Conflict", "NoOtherWriter"): "0x9"}),
    Case(_RIVAL, Shows.TOO_SHORT, "for less than a minute", "0m", {_YIELDED: "1x9"}),
    Case(_RIVAL, Shows.FIRES, "one failed scrape does not begin it anew", "1m", {_YIELDED: "1 stale 1x9"}, [_OTHER]),
    Case(_RIVAL, Shows.UNSEEN, "the controller is gone for long", "30m", {_YIELDED: "1x5 stale"}),
)

_OLD = "LeadtimeDecisionsOld"
_AGE = _own("leadtime_decision_age_seconds")
_LATE = Fired(
    WHOSE,
    "Nothing has been decided on llm/qwen for 1m 30s.",
    "The last decision on Deployment/qwen in llm is 1m 30s old, although a controller leads. It is due every few seconds.",
)
_AGES = (
    Case(_OLD, Shows.FIRES, "the last decision is a minute and a half old", "2m", {_AGE: "90x9"}, [_LATE]),
    Case(_OLD, Shows.BELOW, "it is a minute old", "9m", {_AGE: "60x9"}),
    Case(_OLD, Shows.TOO_SHORT, "for less than two minutes", "1m", {_AGE: "90x9"}),
    Case(_OLD, Shows.UNSEEN, "the controller went before it had lasted", "5m", {_AGE: "90 stale"}),
)

CASES = (
    *_LOADING, *_READINESS, *_MAXIMA, *_PROGRESS, *_CAPACITY, *_DIRECTIONS, *_POOLS, *_ASLEEP, *_RIVALS, *_AGES,
)  # fmt: skip
