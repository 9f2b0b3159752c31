"""How fast a pod works through requests of given mean lengths: the engine in the few numbers that a fluid needs."""

import math
from dataclasses import dataclass
from typing import assert_never

from autoscaler.simulation import world


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What one request takes while b of them run together, b at most *most*: ``base_s + each_s · b`` seconds.

    An `Llm` gives it ``ceil(prompt / chunk_tokens) + output − 1`` steps of ``step_s + step_per_sequence_s · n``, n of the b being
    past their prompts, and in that time computes each of the b prompts once. A `Classic` server gives it one batch.
    """

    base_s: float
    each_s: float
    most: float
    """How many run together at most: `max_sequences`, what fits the KV cache, and what one prompt at a time can feed."""
    steps: float
    """Steps that a request takes part in, its prompt's included."""
    later_tokens: float
    """Tokens of an answer after the first."""
    first_alone_s: float
    first_each_s: float
    """The first token comes ``first_alone_s + first_each_s · (b − 1)`` after a request has begun."""
    one_at_a_time: bool
    """Whether a pod begins no request before the one before it has had its first token."""
    by_batch: bool
    """Whether requests start and end together, and the GPU is busy all that while."""
    host_s: float
    """The part of a step that DCGM does not count."""
    held_tokens: float
    kv_tokens: float
    """A running request sets aside *held_tokens* of so many; 0 where there is no KV cache."""

    def request_s(self, together: float) -> float:
        """Return how long a request takes while *together* run."""
        return self.base_s + self.each_s * together

    def first_token_s(self, together: float) -> float:
        """Return how long after its begin a request has its first token while *together* run."""
        return self.first_alone_s + self.first_each_s * (together - 1.0)

    def first_after_step_s(self, together: float) -> float:
        """Return the same for a request that came when a step had just begun."""
        return self.first_token_s(together) + self.request_s(together) / self.steps

    def between_tokens_s(self, together: float) -> float:
        """Return how far apart the tokens of an answer come while *together* run; 0 where there are none after the first."""
        if not self.later_tokens:
            return 0.0
        return (self.request_s(together) - self.first_token_s(together)) / self.later_tokens

    def per_s(self, together: float) -> float:
        """Return how many requests a second one pod completes while *together* run."""
        return together / self.request_s(together)


def of(engine: world.Engine, *, mean_prompt_tokens: float, mean_output_tokens: float) -> Pace:
    """Return the pace of *engine* for requests that all have the mean lengths."""
    match engine:
        case world.Llm():
            return _llm(engine, mean_prompt_tokens, mean_output_tokens)
        case world.Classic(exponential=True):
            return _classic(base_s=engine.batch_s + engine.item_s, each_s=0.0, most=1)
        case world.Classic():
            return _classic(base_s=engine.batch_s, each_s=engine.item_s, most=engine.max_batch)
        case _:
            assert_never(engine)


def _llm(engine: world.Llm, prompt_tokens: float, output_tokens: float) -> Pace:
    chunks = math.ceil(prompt_tokens / engine.chunk_tokens)
    steps = chunks + output_tokens - 1.0  # the last chunk's step gives the first token
    prompt_s = engine.step_per_prompt_token_s * prompt_tokens
    held_tokens = prompt_tokens + output_tokens
    return Pace(
        base_s=steps * engine.step_s,
        each_s=(output_tokens - 1.0) * engine.step_per_sequence_s + prompt_s,  # no time for a sequence whose prompt is computed
        # A prompt takes *chunks* steps and one is computed at a time: no more than steps / chunks requests can be under way.
        most=max(1.0, min(engine.max_sequences, engine.kv_tokens // held_tokens, steps / chunks)),
        steps=steps,
        later_tokens=output_tokens - 1.0,
        first_alone_s=chunks * engine.step_s + prompt_s,
        first_each_s=chunks * engine.step_per_sequence_s,
        one_at_a_time=True,
        by_batch=False,
        host_s=engine.host_s,
        held_tokens=held_tokens,
        kv_tokens=engine.kv_tokens,
    )


def _classic(*, base_s: float, each_s: float, most: int) -> Pace:
    return Pace(
        base_s=base_s,
        each_s=each_s,
        most=most,
        steps=1.0,
        later_tokens=0.0,  # the whole answer comes at once
        first_alone_s=base_s + each_s,
        first_each_s=each_s,
        one_at_a_time=False,
        by_batch=True,
        host_s=0.0,
        held_tokens=0.0,
        kv_tokens=0.0,
    )
