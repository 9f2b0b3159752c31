"""What one pod carries, within the SLO and at all, for requests of given mean lengths."""

from autoscaler.simulation import world
from autoscaler.simulation.serving import pace

_ROUNDING = 1e-9


def per_pod_per_s(engine: world.Engine, slo: world.Slo, mean_prompt_tokens: float, mean_output_tokens: float) -> float:
    """Return how many requests a second one pod serves within *slo*; 0 where even a request by itself is late.

    With b requests together, each takes ``request_s(b) = base_s + each_s · b`` (`pace.Pace`), so that ``b / request_s(b)`` a second
    are served, which rises with b. The answer is for the largest b that `max_sequences`, the KV cache and the prompts, one at a
    time, let run together, that keeps the time between tokens, and whose first tokens are in time after a whole step of waiting.
    """
    of = pace.of(engine, mean_prompt_tokens=mean_prompt_tokens, mean_output_tokens=mean_output_tokens)
    together = within(of, slo)
    return of.per_s(together) if together else 0.0


def most_per_s(engine: world.Engine, mean_prompt_tokens: float, mean_output_tokens: float) -> float:
    """Return how many requests a second one pod completes when there are always some waiting: `per_pod_per_s` without an SLO."""
    of = pace.of(engine, mean_prompt_tokens=mean_prompt_tokens, mean_output_tokens=mean_output_tokens)
    return of.per_s(of.most)


def within(of: pace.Pace, slo: world.Slo) -> float:
    """Return how many requests may run together on one pod within *slo*, between 1 and ``of.most``; 0 where one is too many.

    All limits are linear in that number, so each of them is met up to where its line crosses it.
    """
    together = of.most
    for took_s, limit_s in ((of.between_tokens_s, slo.between_tokens_s), (of.first_after_step_s, slo.first_token_s)):
        alone_s = took_s(1.0)
        if alone_s > limit_s * (1.0 + _ROUNDING):
            return 0.0
        each_s = took_s(2.0) - alone_s
        if each_s > 0.0:
            together = min(together, 1.0 + (limit_s - alone_s) / each_s)
    return max(1.0, together)
