"""The days before today, as a Prometheus would have kept them: the same load each day, a little more or less, sooner or later.

Nobody has measured them: a demo that lasts minutes has no days behind it. They are drawn with a seeded generator, so that the same
day always has the same past.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from autoscaler.sandbox.fleet.load import Shape

_BEFORE_S = 120  # of what is known before the first of the days begins
_LEVEL_SIGMA = 0.08  # from day to day, of the logarithm
_SHIFT_SIGMA_S = 1.0
_NOISE = 0.5  # of a Poisson number's: an engine works on a request for seconds, which evens out


@dataclass(frozen=True)
class Past:
    """What *query* gives: the load of *days* days and of today so far, in replicas' worth, once a second."""

    query: str
    usual: Shape
    """Requests per second over a day; its times are seconds since the moment that stands at *begins_at* today."""
    begins_at: float
    """Unix seconds."""
    day_s: int
    days: int
    per_replica: float
    """The requests per second that fill a replica."""
    seed: int = 1

    def __post_init__(self) -> None:
        numbers = (self.begins_at, self.day_s, self.days, self.per_replica)
        if not (all(math.isfinite(number) for number in numbers) and min(numbers[1:]) > 0):
            raise ValueError("a past needs days of some seconds, and replicas that carry something")

    def points(self, *, start_s: float, end_s: float, step_s: float) -> Iterator[tuple[float, float]]:
        """Yield (Unix seconds, load), every *step_s* from *start_s* to *end_s*, both included, where there is a load."""
        if not step_s > 0:
            raise ValueError(f"the step is {step_s:g} s, and must be more than none")
        first = self.begins_at - _BEFORE_S - self.days * self.day_s
        for index in range(math.floor((end_s - start_s) / step_s) + 1):
            at = start_s + index * step_s
            second = math.ceil(at - first) - 1  # what is seen at a moment is the second before it
            if 0 <= second < len(self._loads):
                yield at, self._loads[second]

    @cached_property
    def _loads(self) -> list[float]:
        """What was offered in each second, from a little before the first day begins until today ends."""
        generator = random.Random(self.seed)
        half = self.day_s // 2
        before = [(generator.lognormvariate(0.0, _LEVEL_SIGMA), generator.gauss(0.0, _SHIFT_SIGMA_S)) for _ in range(self.days)]
        loads: list[float] = []
        for second in range(-_BEFORE_S, self.days * self.day_s + half):
            day, at = divmod(second + half, self.day_s)
            level, shift_s = before[day] if day < self.days else (1.0, 0.0)
            rate = level * self.usual.rate(at - half - shift_s)
            loads.append(max(0.0, generator.gauss(rate, _NOISE * math.sqrt(rate))) / self.per_replica)
        return loads
