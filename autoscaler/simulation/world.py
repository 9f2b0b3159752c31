"""What is simulated beside the load: engines, start-ups, the way of a metric, the router, and what counts as late.

Times and durations are in seconds. The defaults are a model of some 8 billion parameters on one GPU; `docs/simulation.md` says
where each number comes from and what it is worth.
"""

from dataclasses import dataclass, field

from autoscaler.decision.startup import LONGEST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Llm:
    """An engine with continuous batching: a step gives every running sequence one token.

    A step of n running sequences that also computes p tokens of prompts takes
    ``step_s + step_per_sequence_s · n + step_per_prompt_token_s · p``, p at most *chunk_tokens*, of one prompt at a time.
    """

    step_s: float = 0.008
    step_per_sequence_s: float = 0.001
    step_per_prompt_token_s: float = 0.00005
    chunk_tokens: int = 512
    host_s: float = 0.006
    """The part of *step_s* in which the GPU waits for its host: DCGM's utilisation does not count it."""
    max_sequences: int = 32
    kv_tokens: int = 40_000
    """What the KV cache holds; a sequence sets aside its prompt and its whole answer when it starts."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.host_s <= self.step_s or self.step_s <= 0.0:
            raise ValueError(f"engine: host_s {self.host_s} is a part of step_s {self.step_s}, which is above 0")
        if min(self.step_per_sequence_s, self.step_per_prompt_token_s) < 0.0:
            raise ValueError("engine: neither sequences nor prompts make a step shorter")
        if min(self.chunk_tokens, self.max_sequences, self.kv_tokens) < 1:
            raise ValueError("engine: chunk_tokens, max_sequences and kv_tokens are 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Classic:
    """A server that takes up to *max_batch* requests at once, whatever their lengths, in ``batch_s + item_s · n``.

    The GPU is busy while a batch is served. With *exponential* each request is served by itself, in an exponentially distributed
    time of that mean: the server of queueing theory.
    """

    batch_s: float = 0.02
    item_s: float = 0.005
    max_batch: int = 8
    exponential: bool = False

    def __post_init__(self) -> None:
        if min(self.batch_s, self.item_s) < 0.0 or self.batch_s + self.item_s <= 0.0 or self.max_batch < 1:
            raise ValueError(f"engine: batch_s {self.batch_s} and item_s {self.item_s} take time, and max_batch is 1 or more")


Engine = Llm | Classic


@dataclass(frozen=True, slots=True, kw_only=True)
class Startup:
    """How long a pod takes from its creation until it is ready: lognormal by its median and 90th percentile, never exponential.

    *scheduling_ratio* and *image_ratio* of it pass before its containers run; on a node that has the image, the latter does not.
    Readiness is seen at the next of the probes, every *probe_s*; endpoints are told another *endpoint_s* later.
    """

    p50_s: float = 45.0
    p90_s: float = 60.0
    scheduling_ratio: float = 0.02
    image_ratio: float = 0.2
    probe_s: float = 10.0
    endpoint_s: tuple[float, float] = (1.0, 2.0)
    failure_ratio: float = 0.0
    """The share of starts that fail half-way and begin again."""

    def __post_init__(self) -> None:
        if not 0.0 < self.p50_s <= self.p90_s <= LONGEST_S:
            raise ValueError(f"start-up: 0 < p50_s {self.p50_s} <= p90_s {self.p90_s} <= {LONGEST_S}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Where pods go: *ready* of them are there with *pods_per_node* places, more come in *provision_s*, up to *most*."""

    ready: int = 1000
    most: int = 1000
    pods_per_node: int = 8
    provision_s: tuple[float, float] = (60.0, 240.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """The way of a metric: DCGM holds a sample for *hold_s*, scrapes come every *scrape_s*, and some are lost.

    *outages* are (from, until) in which nothing is scraped at all.
    """

    scrape_s: float = 15.0
    hold_s: float = 30.0
    lost_ratio: float = 0.01
    outages: tuple[tuple[float, float], ...] = ()
    rate_window_s: float = 60.0
    """Rates are over so much time, as PromQL's ``rate(…[1m])``."""

    def __post_init__(self) -> None:
        if min(self.scrape_s, self.hold_s, self.rate_window_s) <= 0.0 or not 0.0 <= self.lost_ratio <= 1.0:
            raise ValueError("path: scrape_s, hold_s and rate_window_s are above 0, and lost_ratio from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """Who gets a request: the pod with the fewest, as seen *stale_s* ago. Clients give up after *patience_s* without an answer."""

    stale_s: float = 1.0
    patience_s: float = 60.0
    in_flight_per_pod: int | None = None
    """A gateway holds what exceeds this many requests a pod; None: pods queue whatever they are given."""

    def __post_init__(self) -> None:
        if self.stale_s < 0.0 or self.patience_s <= 0.0 or (self.in_flight_per_pod is not None and self.in_flight_per_pod < 1):
            raise ValueError("router: stale_s is not negative, patience_s above 0 and in_flight_per_pod 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """When an answer is late: its first token, or the tokens after it on average, take longer."""

    first_token_s: float = 2.0
    between_tokens_s: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything that stays the same for all policies that are compared."""

    engine: Engine = field(default_factory=Llm)
    startup: Startup = field(default_factory=Startup)
    nodes: Nodes = field(default_factory=Nodes)
    path: Path = field(default_factory=Path)
    router: Router = field(default_factory=Router)
    slo: Slo = field(default_factory=Slo)
    gpus_per_pod: int = 1
    drain_s: float = 30.0
    """How long a pod that is to go may finish what it has: its terminationGracePeriodSeconds."""
    first_replicas: int = 1
    """How many pods are ready when it begins."""
    min_replicas: int = 1
    max_replicas: int = 64

    def __post_init__(self) -> None:
        if not 0 <= self.min_replicas <= self.max_replicas or not 0 <= self.first_replicas <= self.max_replicas:
            raise ValueError(
                f"world: 0 <= min_replicas {self.min_replicas} and first_replicas {self.first_replicas} <= {self.max_replicas}"
            )
        if self.gpus_per_pod < 1 or self.drain_s < 0.0:
            raise ValueError(f"world: gpus_per_pod {self.gpus_per_pod} is 1 or more, drain_s {self.drain_s} not negative")
