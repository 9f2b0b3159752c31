"""What users send: a log of requests, or only how many there were in each bucket of time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from autoscaler.errors import AutoscalerError

Values = NDArray[np.float64]


class WorkloadError(AutoscalerError):
    """A workload cannot be used; the message names the file and line where there is one, the rule and the remedy."""


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Every request by itself: when it came, in seconds since the beginning (ascending), and how long it and its answer are."""

    name: str
    at: Values
    prompt_tokens: Values
    output_tokens: Values

    def __init__(self, name: str, at: ArrayLike, prompt_tokens: ArrayLike, output_tokens: ArrayLike) -> None:
        """Keep copies. Raises `WorkloadError` for shapes that differ, disorder, no requests at all, and lengths below 1."""
        times, prompts, outputs = (_kept(given) for given in (at, prompt_tokens, output_tokens))
        if not len(times):
            raise WorkloadError(f"{name}: there are no requests")
        if not times.shape == prompts.shape == outputs.shape:
            raise WorkloadError(f"{name}: {times.shape} times, {prompts.shape} prompts and {outputs.shape} answers do not pair")
        if not np.isfinite(times).all() or times[0] < 0 or (np.diff(times) < 0).any():
            raise WorkloadError(f"{name}: times must be finite, not negative and ascending")
        if not (np.isfinite(prompts).all() and np.isfinite(outputs).all() and prompts.min() >= 1 and outputs.min() >= 1):
            raise WorkloadError(f"{name}: prompts and answers have at least one token each")
        for field, value in (("name", name), ("at", times), ("prompt_tokens", prompts), ("output_tokens", outputs)):
            object.__setattr__(self, field, value)

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.at)

    @property
    def duration_s(self) -> float:
        """How long it lasts: until the last request comes."""
        return float(self.at[-1])

    @property
    def mean_prompt_tokens(self) -> float:
        """The mean length of a prompt."""
        return float(self.prompt_tokens.mean())

    @property
    def mean_output_tokens(self) -> float:
        """The mean length of an answer."""
        return float(self.output_tokens.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """How many requests came per second, on average, in each bucket of *step_s*; all of the same mean lengths. No gaps.

    *start_s* (Unix seconds, a multiple of *step_s*) tells where in the day it begins. *past* are the buckets before the first, for
    what learns from history; NaN is a gap there.
    """

    name: str
    step_s: int
    per_s: Values
    past: Values
    start_s: int
    mean_prompt_tokens: float
    mean_output_tokens: float

    def __init__(
        self,
        name: str,
        step_s: int,
        per_s: ArrayLike,
        *,
        past: ArrayLike = (),
        start_s: int = 0,
        mean_prompt_tokens: float = 500.0,
        mean_output_tokens: float = 120.0,
    ) -> None:
        """Keep copies. Raises `WorkloadError` for gaps, negative or absurd rates, and when nobody ever comes."""
        rates, before = _kept(per_s), _kept(past)
        if step_s < 1 or start_s % step_s:
            raise WorkloadError(f"{name}: step_s {step_s} must be 1 or more, and start_s {start_s} a multiple of it")
        if not len(rates) or not np.isfinite(rates).all() or (rates < 0).any():
            raise WorkloadError(f"{name}: rates must be finite and not negative in every bucket: fill or cut gaps first")
        if np.isinf(before).any() or (before < 0).any():
            raise WorkloadError(f"{name}: rates of the past must be finite and not negative, with NaN for a gap")
        if not rates.any():
            raise WorkloadError(f"{name}: there are no requests")
        if mean_prompt_tokens < 1 or mean_output_tokens < 1:
            raise WorkloadError(f"{name}: prompts and answers have at least one token each")
        kept = {"name": name, "step_s": step_s, "per_s": rates, "past": before, "start_s": start_s}
        for field, value in {
            **kept,
            "mean_prompt_tokens": mean_prompt_tokens,
            "mean_output_tokens": mean_output_tokens,
        }.items():
            object.__setattr__(self, field, value)

    @property
    def duration_s(self) -> float:
        """How long it lasts."""
        return float(len(self.per_s) * self.step_s)


Workload = Requests | Rates


def _kept(given: ArrayLike) -> Values:
    values = np.array(given, dtype=np.float64)
    if values.ndim != 1:
        raise WorkloadError(f"one dimension is needed, not the shape {values.shape}")
    values.flags.writeable = False
    return values
