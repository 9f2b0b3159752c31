"""The load that is offered to the fleet: a rate over time, and requests drawn from it with a seeded generator."""

import math
import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoscaler.sandbox.fleet.engine import Request


@dataclass(frozen=True, slots=True)
class Shape:
    """Requests per second over time: straight lines between *points* (seconds, rate); before and after, the end points' rates."""

    points: Sequence[tuple[float, float]]

    def __post_init__(self) -> None:
        times = [at for at, _ in self.points]
        finite = all(math.isfinite(at) and math.isfinite(rate) for at, rate in self.points)
        if not finite or not times or times != sorted(times) or any(rate < 0 for _, rate in self.points):
            raise ValueError("a load shape needs points in the order of time, with rates of zero or more")

    def rate(self, at: float) -> float:
        """Return the requests per second at *at* seconds."""
        position = bisect_right(self.points, at, key=lambda point: point[0])
        if position == 0:
            return self.points[0][1]
        if position == len(self.points):
            return self.points[-1][1]
        (from_s, from_rate), (to_s, to_rate) = self.points[position - 1], self.points[position]
        return from_rate + (to_rate - from_rate) * (at - from_s) / (to_s - from_s)

    @staticmethod
    def constant(rate: float) -> "Shape":
        """Return the shape that never changes."""
        return Shape([(0.0, rate)])


@dataclass(slots=True)
class Arrivals:
    """Poisson arrivals whose prompts and answers have lognormal lengths; the same seed gives the same requests."""

    shape: Shape
    generator: random.Random
    mean_prompt_tokens: float = 500.0
    mean_output_tokens: float = 120.0
    sigma: float = 0.6

    def between(self, start: float, end: float) -> Iterator[Request]:
        """Yield the requests that arrive from *start* to *end* (seconds), in order."""
        expected = self.shape.rate((start + end) / 2) * (end - start)
        for at in sorted(self.generator.uniform(start, end) for _ in range(_poisson(self.generator, expected))):
            yield Request(at, self._tokens(self.mean_prompt_tokens), self._tokens(self.mean_output_tokens))

    def _tokens(self, mean: float) -> int:
        # The mean of a lognormal is exp(μ + σ²/2).
        return max(1, round(self.generator.lognormvariate(math.log(mean) - self.sigma**2 / 2, self.sigma)))


def _poisson(generator: random.Random, expected: float) -> int:
    """Return a Poisson number by counting exponential gaps; *expected* is small, a step's worth."""
    count, total = 0, generator.expovariate(1.0)
    while total < expected:
        count += 1
        total += generator.expovariate(1.0)
    return count
