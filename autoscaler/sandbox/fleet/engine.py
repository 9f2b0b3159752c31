"""One inference engine: continuous batching with a limit on sequences and on KV cache, first come, first served.

A step of the batch takes ``host + gpu₀ + gpu₁ · n`` seconds for n sequences and gives each of them one token, so that throughput
saturates with the batch while every request slows down: the shape that real engines have. The GPU is busy for its share of each
step, which is what DCGM's utilisation measures.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How fast an engine is and what it can hold. The defaults are a small model on one GPU."""

    host_step_s: float = 0.006
    gpu_step_s: float = 0.002
    gpu_step_per_sequence_s: float = 0.001
    max_sequences: int = 32
    kv_capacity_tokens: int = 40_000
    prefill_tokens_per_s: float = 20_000.0

    def step_s(self, sequences: int) -> float:
        """Return how long one token takes for each of *sequences* that run together."""
        return self.host_step_s + self.gpu_step_s + self.gpu_step_per_sequence_s * sequences

    def gpu_busy_ratio(self, sequences: int) -> float:
        """Return the share of a step in which the GPU computes."""
        return 0.0 if sequences == 0 else 1.0 - self.host_step_s / self.step_s(sequences)


@dataclass(slots=True)
class Request:
    """A request: what it brings, what it wants, and how far it is."""

    arrived_at: float  # simulated seconds
    prompt_tokens: int
    output_tokens: int
    held_s: float = 0.0  # how long a gateway had it before an engine got it
    generated: float = 0.0
    first_token_at: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished request has seen, in seconds since its engine got it; a gateway held it for *held_s* before."""

    time_to_first_token_s: float
    inter_token_latency_s: float
    latency_s: float
    prompt_tokens: int
    output_tokens: int
    held_s: float = 0.0


@dataclass(slots=True)
class Engine:
    """The state of one engine. `offer` gives it requests, `advance` lets time pass."""

    profile: Profile = field(default_factory=Profile)
    waiting: deque[Request] = field(default_factory=deque)
    running: list[Request] = field(default_factory=list)
    busy_s: float = 0.0  # GPU time so far

    @property
    def outstanding(self) -> int:
        """Return how many requests are here, waiting or running."""
        return len(self.waiting) + len(self.running)

    @property
    def kv_usage_ratio(self) -> float:
        """Return the share of the KV cache that running sequences hold."""
        held = sum(request.prompt_tokens + request.generated for request in self.running)
        return min(1.0, held / self.profile.kv_capacity_tokens)

    def offer(self, request: Request) -> None:
        """Queue *request*."""
        self.waiting.append(request)

    def advance(self, *, now: float, by_s: float) -> Iterator[Finished]:
        """Let *by_s* seconds pass up to *now* and yield the requests that finish in them."""
        self._admit()
        sequences = len(self.running)
        if sequences == 0:
            return
        self.busy_s += by_s * self.profile.gpu_busy_ratio(sequences)
        start, step_s = now - by_s, self.profile.step_s(sequences)
        still: list[Request] = []
        for request in self.running:
            if request.first_token_at is None:
                begun = max(start, request.arrived_at)
                request.first_token_at = begun + request.prompt_tokens / self.profile.prefill_tokens_per_s
            first = request.first_token_at
            request.generated += max(0.0, now - max(start, first)) / step_s
            if request.generated < request.output_tokens:
                still.append(request)
                continue
            came_at = request.arrived_at + request.held_s
            yield Finished(
                time_to_first_token_s=first - came_at,
                inter_token_latency_s=(now - first) / request.output_tokens,
                latency_s=now - came_at,
                prompt_tokens=request.prompt_tokens,
                output_tokens=request.output_tokens,
                held_s=request.held_s,
            )
        self.running = still

    def _admit(self) -> None:
        # What a sequence will have generated is set aside when it starts, so that the cache never holds more than it can.
        held = sum(request.prompt_tokens + request.output_tokens for request in self.running)
        while self.waiting and len(self.running) < self.profile.max_sequences:
            request = self.waiting[0]
            held += request.prompt_tokens + request.output_tokens
            # A request that would not even fit alone runs alone, or it would block the queue for ever.
            if held > self.profile.kv_capacity_tokens and self.running:
                return
            self.running.append(self.waiting.popleft())
