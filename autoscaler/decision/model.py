"""The nouns of a decision: what the user asked for, what was seen, what is remembered, what was decided and why.

Values are frozen. Times are Unix seconds, durations end in ``_s``, metric values are thousandths (``_milli``, as Kubernetes
quantities travel), ratios run from 0 to 1, and a *demand* is a real number of replicas.
"""

import enum
from dataclasses import dataclass, field

# ── what the user asked for ──────────────────────────────────────────────────────────────────────────────────────────────────


class Kind(enum.StrEnum):
    """What a signal measures: it decides how its demand is computed and what it may vote for."""

    UTILIZATION = "Utilization"
    """How busy the GPUs are; saturates on language models, and then may only veto."""
    QUEUE = "Queue"
    """Requests that wait; urgent when it grows past what the pods take."""
    CONCURRENCY = "Concurrency"
    """Requests in flight, waiting ones included; what a replica holds can be learned."""
    KV_CACHE = "KvCache"
    LATENCY = "Latency"
    """A quantile against an objective; may only vote up."""
    RATE = "Rate"
    OTHER = "Other"


class Source(enum.StrEnum):
    """Where autoscaling/v2 says that a signal comes from."""

    PODS = "Pods"
    OBJECT = "Object"
    EXTERNAL = "External"


class TargetType(enum.StrEnum):
    """How autoscaling/v2 compares a signal with its target: per replica, or as it stands."""

    AVERAGE_VALUE = "AverageValue"
    VALUE = "Value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One metric of the object, with its target."""

    name: str
    kind: Kind
    source: Source
    target_type: TargetType = TargetType.AVERAGE_VALUE
    target_milli: int
    stale_after_s: float = 60.0
    learned: bool = False  # concurrency: the target stands only until the capacity of a replica is learned
    percent: bool = False  # utilisation: its values run to 100

    def __post_init__(self) -> None:
        if self.target_milli <= 0:
            raise ValueError(f"signal {self.name}: target {self.target_milli}m is not positive")
        if self.source is Source.PODS and self.target_type is not TargetType.AVERAGE_VALUE:
            raise ValueError(f"signal {self.name}: a Pods metric is compared by AverageValue")


class Select(enum.StrEnum):
    """Which of several rate policies rules."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class RateType(enum.StrEnum):
    """What a rate policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most *value* pods, or per cent, per *period_s* seconds."""

    type: RateType
    value: int
    period_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """autoscaling/v2's scaling rules for one direction."""

    window_s: int
    select: Select = Select.MAX
    rates: tuple[Rate, ...] = ()
    tolerance: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """autoscaling/v2's behaviour; the defaults are ours: windows that calm, and rates that a large fleet can live with."""

    up: Direction = Direction(window_s=60, rates=(Rate(RateType.PODS, 2, 60), Rate(RateType.PERCENT, 100, 15)))
    down: Direction = Direction(window_s=300, rates=(Rate(RateType.PODS, 1, 120), Rate(RateType.PERCENT, 50, 120)))


class DownRule(enum.StrEnum):
    """What allows a scale-down."""

    CONSOLIDATION = "Consolidation"
    """The pods that stay carry the demand with a twentieth to spare."""
    BAND = "Band"
    """The mean utilisation is below a ratio, the user's."""
    TARGET = "Target"
    """HPA's own: whatever the formula asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleDown:
    """When fewer replicas may be asked for."""

    rule: DownRule = DownRule.CONSOLIDATION
    band_ratio: float = 0.3
    cooldown_s: float = 300.0  # longer than one model load, or a dip during start-up undoes it
    min_coverage_ratio: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupPrior:
    """How long a pod takes from its creation to ready, until enough of them have shown it."""

    p50_s: float = 45.0
    p90_s: float = 60.0


class ForecastMode(enum.StrEnum):
    """Whether a forecast may raise the number."""

    OFF = "Off"
    GATED = "Gated"
    ALWAYS = "Always"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastPolicy:
    """How a forecast is used."""

    mode: ForecastMode = ForecastMode.GATED
    quantile: float = 0.9
    max_horizon_s: float = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmPool:
    """Pods that are ready and get no requests, to be promoted in a second."""

    min: int = 0
    max: int = 0
    quantile: float = 0.97
    at_zero: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """The floor without work, which is not the minimum."""

    replicas: int = 1
    after_s: float = 300.0
    zero_after_s: float | None = None


class MissingBehavior(enum.StrEnum):
    """What to do when no signal says anything."""

    HOLD = "Hold"
    STATIC = "Static"
    CURRENT_IF_HIGHER = "CurrentIfHigher"
    CURRENT_IF_LOWER = "CurrentIfLower"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMissing:
    """The fallback when every signal is missing for *after_s*."""

    behavior: MissingBehavior = MissingBehavior.HOLD
    replicas: int = 1
    after_s: float = 60.0
    fail_open: bool = True  # at zero, wake one replica when nothing can say whether it is needed


class Mode(enum.StrEnum):
    """Whether what is decided is done."""

    RECOMMEND = "Recommend"
    AUTO = "Auto"
    PAUSED = "Paused"


class ConflictPolicy(enum.StrEnum):
    """What to do when somebody else sets the replicas."""

    YIELD = "Yield"
    REASSERT = "Reassert"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user asked for, checked and complete."""

    max_replicas: int
    min_replicas: int = 1
    signals: tuple[Signal, ...] = ()
    behavior: Behavior = Behavior()
    scale_down: ScaleDown = ScaleDown()
    startup: StartupPrior = StartupPrior()
    forecast: ForecastPolicy = ForecastPolicy()
    warm_pool: WarmPool = WarmPool()
    idle: Idle | None = None
    on_missing: OnMissing = OnMissing()
    max_gpus: int | None = None
    urgent_ratio: float | None = 2.0  # a queue of this many times the pods' targets skips the up-window; None: never
    mode: Mode = Mode.RECOMMEND
    conflict: ConflictPolicy = ConflictPolicy.YIELD

    def __post_init__(self) -> None:
        if not 0 <= self.min_replicas <= self.max_replicas:
            raise ValueError(f"minReplicas {self.min_replicas} is not between 0 and maxReplicas {self.max_replicas}")
        if self.max_replicas < 1:
            raise ValueError(f"maxReplicas {self.max_replicas} is below 1")


# ── what was seen ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one signal said. *total_milli* is the sum over the counted pods, or the object's value; None with the reason *why*."""

    total_milli: int | None = None
    reporting: int = 0  # pods that were counted: ready, routed, with a value
    missing: int = 0  # pods without one that are ready or loading, and routed (always 0 for Object and External)
    at: float | None = None  # of the oldest sample in it
    why: str = ""
    shared: bool = False  # a device behind it is shared with other workloads
    band_ratio: float | None = None  # utilisation: the mean over the reporting pods as a ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """The target's pods, terminating and ended ones left out; a pod is routed unless it is held in the warm pool."""

    ready: int = 0  # routed
    loading: int = 0  # routed, running, not ready
    pending: int = 0  # routed, not on a node or not started: HPA's "unready"
    warm_ready: int = 0
    warm_starting: int = 0
    young: int = 0  # ready for less than 20 s: they do not vote for idleness
    unschedulable_since: float | None = None  # the oldest pod that no node takes
    unschedulable: int = 0
    rolling_out: bool = False
    stuck: str = ""  # why a roll-out does not progress

    @property
    def starting(self) -> int:
        """Return how many routed pods are on their way."""
        return self.loading + self.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What the largest demand within the lead time may be, in replicas."""

    serving: float  # at the policy's quantile
    pool: float | None = None  # at the warm pool's quantile
    horizon_s: float
    gate_open: bool
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleState:
    """Which schedules are in force now, already combined, and when the next one begins."""

    names: tuple[str, ...] = ()
    min_replicas: int | None = None
    max_replicas: int | None = None
    next_start: float | None = None  # of one that asks for at least one replica


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignWrite:
    """Somebody else set the replicas, or stands by to do so."""

    writer: str
    at: float
    standing: bool = False  # a controller that will do it again, such as an HPA on the same target


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that a decision rests on. `readings` stand in the order of the policy's signals."""

    now: float
    replicas: int  # spec.replicas of /scale
    status_replicas: int  # status.replicas of /scale
    pods: Pods
    readings: tuple[Reading, ...]
    gpus_per_replica: int | None = None  # None: nothing shows it; 0: it has none
    forecast: Forecast | None = None
    schedule: ScheduleState = ScheduleState()
    foreign: ForeignWrite | None = None
    startup_p90_s: float | None = None  # learned; None: the prior stands
    startup_p99_s: float | None = None
    pool_offered: bool = True  # the workload offers a way to hold pods back (False: Headroom, every pod is routed)


# ── what is remembered ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Span:
    """A number that was asked for from *since* until *until*, both included."""

    replicas: int
    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Change:
    """The replicas changed by *by* at *at*."""

    at: float
    by: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Five minutes of one utilisation signal: means of its ratio to its target and of the other signals' demand per pod."""

    utilization: float
    load: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trusting:
    """What the saturation detector knows of one utilisation signal."""

    bins: tuple[Bin, ...] = ()
    open_since: float | None = None
    open_utilization: float = 0.0
    open_load: float = 0.0
    open_count: int = 0
    saturated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a replica was seen to hold when it was full, for one concurrency signal."""

    per_replica: float | None = None
    samples: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What one tick leaves to the next. A fresh one is a target seen for the first time."""

    asked: tuple[Span, ...] = ()  # what the signals asked for, before the limits: HPA's recommendations
    ups: tuple[Change, ...] = ()
    downs: tuple[Change, ...] = ()
    expected: int | None = None  # the total that we asked /scale for last
    serving: int | None = None  # how many of them were to be routed
    up_at: float | None = None
    down_at: float | None = None
    worked_at: float | None = None  # when there was work last
    woke_at: float | None = None
    zeroed: bool = False  # it was we who set zero
    lost_at: float | None = None  # since when no signal says anything
    no_down_before: float | None = None  # after a restart without memory
    lift_at: float | None = None  # since when the forecast lifts, and from which number
    lift_from: int | None = None
    yield_until: float | None = None
    writer: str = ""
    gpus_per_replica: int | None = None  # as it was seen last
    trusting: tuple[tuple[str, Trusting], ...] = ()  # by the signal's name
    capacities: tuple[tuple[str, Capacity], ...] = ()


# ── what was decided ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Trust(enum.StrEnum):
    """How far a signal is believed."""

    FULL = "Full"
    VETO_ONLY = "VetoOnly"
    """It may keep the number up, and not raise it."""
    UP_ONLY = "UpOnly"
    OFF = "Off"


class Rule(enum.StrEnum):
    """What can set or change the number. The closed list of reasons: `docs/reasons.md` has a paragraph for each."""

    START = "Start"
    """The number that is there."""
    DISABLED = "ScalingDisabled"
    OUT_OF_BOUNDS = "OutOfBounds"
    DEMAND = "Demand"
    DOWN_RULE = "ScaleDownRule"
    FORECAST = "Forecast"
    PROMOTION = "Promotion"
    IDLE = "Idle"
    ZERO = "ScaleToZero"
    WAKE = "WakeFromZero"
    METRIC_LOSS = "MetricLoss"
    SCHEDULE = "Schedule"
    UP_WINDOW = "UpStabilization"
    DOWN_WINDOW = "DownStabilization"
    URGENT = "UrgentQueue"
    COOLDOWN = "Cooldown"
    RESTART = "Restarted"
    UP_RATE = "UpRate"
    DOWN_RATE = "DownRate"
    MIN = "MinReplicas"
    MAX = "MaxReplicas"
    WARM_POOL = "WarmPool"
    BUDGET = "Budget"
    UNSCHEDULABLE = "Unschedulable"
    ROLL_OUT = "RollOut"
    PAUSED = "Paused"
    CONFLICT = "Conflict"


@dataclass(frozen=True, slots=True)
class Step:
    """One rule at work: the number before it, the number after it, and why. Both are equal where it only had something to say."""

    rule: Rule
    before: int
    after: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one signal makes of its reading."""

    signal: str
    kind: Kind
    trust: Trust
    fresh: bool  # present, finite and young enough
    value: float | None = None  # per replica, or the object's, in the metric's own unit
    target: float
    demand: float | None = None  # replicas, real
    proposal: int | None = None  # HPA's integer, tolerance included
    coverage: float = 1.0
    age_s: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas there shall be, how many of them serve, and the trail of steps that made the number.

    `trail` begins at the number of serving replicas that are there and ends at `replicas`; each step begins where the one
    before it ended.
    """

    at: float
    current: int  # spec.replicas as observed
    replicas: int
    serving: int
    act: bool  # whether it is to be done: False in Recommend and Paused, under a conflict, and where nothing changes hands
    votes: tuple[Vote, ...]
    trail: tuple[Step, ...]
    reason: Rule  # the step that decided the number
    demand: float | None = None  # the largest of the trusted, fresh demands
    urgent: bool = False
    forecast_used: bool = False  # there was one that might raise the number; whether it did, the trail says
    limited_by: tuple[Rule, ...] = ()  # limits that changed the number, in their order

    @property
    def warm(self) -> int:
        """Return how many replicas are kept ready without requests."""
        return self.replicas - self.serving


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One decision with everything that it came from: enough to take it again."""

    target: str
    policy: Policy
    observation: Observation
    before: Memory
    decision: Decision
    after: Memory = field(default_factory=Memory)
