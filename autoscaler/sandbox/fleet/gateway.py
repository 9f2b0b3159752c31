"""What stands between clients and engines: it gives each request to the least loaded pod, and may hold those that no pod takes.

Without patience it is a plain Service: a request that meets no ready pod fails at once, and engines queue whatever they are given.
An inference gateway with flow control waits with them, up to its patience; what it holds is the signal that survives zero replicas.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from autoscaler.sandbox.fleet.engine import Engine, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowControl:
    """How long a request is held for a pod, and how many a pod gets at once."""

    patience_s: float = 0.0
    """After how many seconds without a pod a request fails; 0: as soon as there is none."""

    in_flight_per_pod: int | None = None
    """How many requests an engine has at most, running and queued; None: as many as there are."""


@dataclass(slots=True)
class Gateway:
    """The requests that wait for a pod. `accept` takes them in, `dispatch` hands out what pods can take."""

    control: FlowControl = field(default_factory=FlowControl)
    waiting: deque[Request] = field(default_factory=deque)
    accepted: int = 0  # requests that ever came

    def accept(self, requests: Iterable[Request]) -> None:
        """Queue *requests*, which are in the order of their arrival."""
        for request in requests:
            self.waiting.append(request)
            self.accepted += 1

    def dispatch(self, engines: Sequence[Engine], *, start: float, end: float) -> int:
        """Give what waits to *engines*, the least loaded first, in the step from *start* to *end*; return how many gave up."""
        limit = self.control.in_flight_per_pod
        while self.waiting and engines:
            engine = min(engines, key=lambda engine: engine.outstanding)
            if limit is not None and engine.outstanding >= limit:
                break
            request = self.waiting.popleft()
            # What arrived within this step was not held: its engine begins with it when it arrives.
            request.held_s = max(0.0, start - request.arrived_at)
            engine.offer(request)
        given_up = 0
        while self.waiting and end - self.waiting[0].arrived_at >= self.control.patience_s:
            self.waiting.popleft()
            given_up += 1
        return given_up


#: The name of the queue's length since llm-d's router has its own prefix, and the one before, which it still shows.
_QUEUE_SIZES = {
    "llm_d_epp_flow_control_queue_size": "[ALPHA]",
    "inference_extension_flow_control_queue_size": "[ALPHA] [Deprecated: Use llm_d_epp_flow_control_queue_size]",
}
_READY = {
    "llm_d_epp_ready_endpoints": "[ALPHA]",
    "inference_pool_ready_pods": "[ALPHA] [Deprecated: Use llm_d_epp_ready_endpoints]",
}
_REQUESTS = {
    "llm_d_epp_request_total": "[ALPHA]",
    "inference_objective_request_total": "[ALPHA] [Deprecated: Use llm_d_epp_request_total]",
}
_QUEUE_TEXT = (
    "Current number of requests being actively managed by the EPP flow control layer, from the start of the EnqueueAndWait call"
    " until a final outcome is reached."
)
_REQUESTS_TEXT = "Counter of inference requests broken out for each model and target model."
_READY_TEXT = "The number of ready endpoints in the inference server pool."


@dataclass
class GatewayPage:
    """The metrics of an inference gateway's endpoint picker, for one pool and its model, under their present and former names."""

    pool: str
    model: str
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        flow = {"fairness_id": "default-flow", "priority": "0", "inference_pool": self.pool}
        labels = {**flow, "model_name": self.model, "target_model_name": self.model}
        self._queues = [
            Gauge(name, f"{stability} {_QUEUE_TEXT}", list(labels), registry=self.registry).labels(**labels)
            for name, stability in _QUEUE_SIZES.items()
        ]
        self._ready = [
            Gauge(name, f"{stability} {_READY_TEXT}", ["name"], registry=self.registry).labels(self.pool)
            for name, stability in _READY.items()
        ]
        models = {"model_name": self.model, "target_model_name": self.model}
        self._requests = [
            Counter(name, f"{stability} {_REQUESTS_TEXT}", list(models), registry=self.registry).labels(**models)
            for name, stability in _REQUESTS.items()
        ]
        self._counted = 0

    def render(self, *, waiting: int, ready: int, accepted: int) -> bytes:
        """Return the page while *waiting* requests are held and *ready* pods take requests, after *accepted* ones have come."""
        for counter in self._requests:
            counter.inc(accepted - self._counted)
        self._counted = accepted
        for gauge in self._queues:
            gauge.set(waiting)
        for gauge in self._ready:
            gauge.set(ready)
        return generate_latest(self.registry)
