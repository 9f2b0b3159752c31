"""The autoscaler's errors: the class says what its caller can do, the attributes hold the facts."""

from collections.abc import Sequence
from dataclasses import dataclass


class AutoscalerError(Exception):
    """Base of all that the autoscaler raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an object: its path, such as ``spec.metrics[1].pods``, and what would mend it."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidScalerError(AutoscalerError):
    """An InferenceScaler contradicts itself or asks for what cannot be; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class TargetError(AutoscalerError):
    """A target cannot be read or scaled; `reason` is the condition's word for it, the message says what to do."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)
