"""The engine of `world.Llm` as its description reads, one step after the other: slow, and with nothing clever in it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoscaler.simulation import service, world
from autoscaler.simulation.serving import ledger
from autoscaler.simulation.serving.engine import Engine, Request

Times = list[tuple[float, float]]
"""(first token, last token) of each request."""


class Noting(ledger.Ledger):
    """A ledger that also notes when each request was done, in the order in which they were."""

    def __init__(self) -> None:
        super().__init__(world.Slo())
        self.done: list[tuple[Request, float]] = []

    def completed(self, request: Request, *, at: float) -> None:
        super().completed(request, at=at)
        self.done.append((request, at))


def drive(engine: Engine, noting: Noting, requests: Sequence[Request]) -> Times:
    """Give *requests* to *engine* as they come, let it finish, and return when each had its first and last token."""
    for request in requests:
        while engine.due <= request.at:
            engine.fire()
        engine.take(request, now=request.at)
    while engine.outstanding:
        engine.fire()
    done = {id(request): at for request, at in noting.done}
    return [(request.first_token_at, done[id(request)]) for request in requests]


@dataclass
class _Running:
    index: int
    prompt_steps: int
    tokens_left: int


def run(llm: world.Llm, requests: Sequence[Request]) -> tuple[Times, float]:
    """Return when each of *requests* had its first and last token, and how long the GPU computed."""
    first, last = [math.nan] * len(requests), [math.nan] * len(requests)
    now, busy_s, came = 0.0, 0.0, 0
    waiting: list[int] = []
    running: list[_Running] = []
    while came < len(requests) or waiting or running:
        if not waiting and not running:
            now = max(now, requests[came].at)
        while came < len(requests) and requests[came].at <= now:
            waiting.append(came)
            came += 1
        prompt = next((each for each in running if each.prompt_steps), None)
        if prompt is None and waiting:
            head = requests[waiting[0]]
            held = sum(requests[each.index].prompt_tokens + requests[each.index].output_tokens for each in running)
            fits = len(running) < llm.max_sequences and held + head.prompt_tokens + head.output_tokens <= llm.kv_tokens
            if fits or not running:
                prompt = _Running(waiting.pop(0), math.ceil(head.prompt_tokens / llm.chunk_tokens), head.output_tokens)
                running.append(prompt)
        decoding = [each for each in running if each is not prompt]
        step_s = llm.step_s + llm.step_per_sequence_s * len(decoding)
        if prompt is not None:
            tokens = requests[prompt.index].prompt_tokens
            step_s += llm.step_per_prompt_token_s * tokens / math.ceil(tokens / llm.chunk_tokens)
        now += step_s
        busy_s += step_s - llm.host_s
        for each in decoding:
            each.tokens_left -= 1
        if prompt is not None:
            prompt.prompt_steps -= 1
            if not prompt.prompt_steps:
                prompt.tokens_left -= 1
                first[prompt.index] = now
        for each in [each for each in running if not each.tokens_left]:
            last[each.index] = now
            running.remove(each)
    return list(zip(first, last, strict=True)), busy_s


def gauges(engine: Engine, now: float) -> service.Gauges:
    """Return what *engine* shows at *now*, after all that is due until then."""
    while engine.due <= now:
        engine.fire()
    return engine.gauges(now=now)
