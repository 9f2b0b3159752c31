"""One engine with continuous batching, on the clock of its own steps.

A step lasts as long as what is computed in it, and between two events nothing changes what is computed. So time needs no loop over
steps: sequences end at whole numbers of steps, which a heap keeps, and those are turned into seconds by the length of a step that
holds until the next event. A run is the same, to rounding, as one that goes from step to step.

- A request starts between two steps, first come first served, one prompt at a time: its *prompt* goes through in
  ceil(prompt / chunk_tokens) steps of equal parts, with the tokens and the steps of full chunks and a remainder.
- Its first token comes with the last of those steps, every further one with a step, so it leaves after *output* - 1 more.
- What it sets aside of the KV cache is prompt + output. What is more than the whole cache runs alone.
"""

import heapq
import itertools
import math
from collections import deque
from collections.abc import Sequence

from autoscaler.simulation import service, world
from autoscaler.simulation.serving import ledger as ledgers
from autoscaler.simulation.serving.engine import NEVER, Request


class ContinuousBatching:
    """The engine of `world.Llm`."""

    __slots__ = (
        "_busy_s",
        "_chunk_tokens",
        "_decoding",
        "_kv_tokens",
        "_ledger",
        "_llm",
        "_next_step",
        "_order",
        "_prefill_until",
        "_prefilling",
        "_since",
        "_step",
        "_step_s",
        "_waiting",
        "due",
        "outstanding",
    )

    def __init__(self, llm: world.Llm, ledger: ledgers.Ledger) -> None:
        self.due = NEVER
        self.outstanding = 0
        self._llm = llm
        self._ledger = ledger
        self._waiting: deque[Request] = deque()
        self._decoding: list[tuple[int, int, Request]] = []  # a heap: the step after which it is done, the order of starts
        self._order = itertools.count()
        self._prefilling: Request | None = None
        self._prefill_until = 0  # the step
        self._chunk_tokens = 0.0
        self._kv_tokens = 0
        self._step = 0  # steps done at the last event
        self._since = 0.0  # when that was
        self._step_s = 0.0  # how long each step has been since; 0 while idle
        self._next_step = 0  # after how many steps the next event is
        self._busy_s = 0.0  # up to the last event

    def fire(self) -> None:
        """End prompts and sequences whose last step is done, and start the next prompt."""
        now, step = self.due, self._next_step
        self._busy_s += (step - self._step) * (self._step_s - self._llm.host_s)
        self._step, self._since = step, now
        prompt = self._prefilling
        if prompt is not None and step >= self._prefill_until:
            self._prefilling = None
            self._prefilled(prompt, now=now)
        decoding = self._decoding
        while decoding and decoding[0][0] <= step:
            self._end(heapq.heappop(decoding)[2], now=now)
        self._go_on()

    def take(self, request: Request, *, now: float) -> None:
        """Queue *request*; it starts at once in an idle engine, and otherwise after the step that is under way."""
        self.outstanding += 1
        self._waiting.append(request)
        if self.due == NEVER:
            self._since = now
            self._go_on()
        elif self._prefilling is None and len(self._waiting) == 1:
            self._pause(now)

    def abandon(self, request: Request, *, now: float) -> None:
        """Drop *request*; a prompt that is being computed ends with the step that is under way."""
        self.outstanding -= 1
        if request is self._prefilling:
            self._pause(now)
            self._prefill_until = self._next_step
            return
        self._waiting.remove(request)
        if self._prefilling is None:  # it may have been what the next one could not pass
            self._pause(now)

    def inside(self) -> Sequence[Request]:
        """Return the requests that are `outstanding`, those that came last at the end."""
        prompt = [self._prefilling] if self._prefilling is not None and self._prefilling.waits else []
        return [request for _, _, request in sorted(self._decoding)] + prompt + list(self._waiting)

    def gauges(self, *, now: float) -> service.Gauges:
        """Return its queue, its batch, and the part of each step that is not its host's as the time of its GPU."""
        busy_s = self._busy_s
        if self._step_s:
            busy_s += (now - self._since) * (1.0 - self._llm.host_s / self._step_s)
        running = len(self._decoding) + (self._prefilling is not None)
        return service.Gauges(len(self._waiting), running, min(1.0, self._kv_tokens / self._llm.kv_tokens), busy_s)

    def _prefilled(self, request: Request, *, now: float) -> None:
        if not request.waits:  # its client gave up meanwhile
            self._kv_tokens -= request.prompt_tokens + request.output_tokens
            return
        self._ledger.answered(request, at=now)
        heapq.heappush(self._decoding, (self._step + request.output_tokens - 1, next(self._order), request))

    def _end(self, request: Request, *, now: float) -> None:
        self.outstanding -= 1
        self._kv_tokens -= request.prompt_tokens + request.output_tokens
        self._ledger.completed(request, at=now)

    def _go_on(self) -> None:
        """Start the next prompt if it may, and look ahead to the next event."""
        llm, decoding = self._llm, self._decoding
        running = len(decoding)
        if self._prefilling is None and self._waiting:
            tokens = self._waiting[0].prompt_tokens + self._waiting[0].output_tokens
            if not running or (running < llm.max_sequences and self._kv_tokens + tokens <= llm.kv_tokens):
                self._prefilling = prompt = self._waiting.popleft()
                self._kv_tokens += tokens
                steps = math.ceil(prompt.prompt_tokens / llm.chunk_tokens)
                self._prefill_until = self._step + steps
                self._chunk_tokens = prompt.prompt_tokens / steps
        step_s = llm.step_s + llm.step_per_sequence_s * running
        if self._prefilling is not None:
            self._next_step = min(self._prefill_until, decoding[0][0]) if running else self._prefill_until
            step_s += llm.step_per_prompt_token_s * self._chunk_tokens
        elif running:
            self._next_step = decoding[0][0]
        else:
            self._step_s, self.due = 0.0, NEVER
            return
        self._step_s = step_s
        self.due = self._since + (self._next_step - self._step) * step_s

    def _pause(self, now: float) -> None:
        """Have an event after the step that is under way."""
        step = self._step + math.ceil((now - self._since) / self._step_s)
        if step < self._next_step:
            self._next_step = step
            self.due = max(now, self._since + (step - self._step) * self._step_s)
