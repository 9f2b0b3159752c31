"""Asks a Prometheus for what `questions` has, within a `budget`: one query after the other, in the calling thread.

It is somebody's Prometheus, and others are alerted by it. While it is busy it is left alone for a while; what it finds too much, or
does not manage in time, is asked for again at a quarter of the points; and of both there are only so many tries.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adapter.errors import Fault, SourceError
from adapter.sources.credentials import Access, Auth, Credentials, Tls
from autoscaler.advice import budget, questions
from autoscaler.advice.budget import DISCOVERY_LOOKS, Plan
from autoscaler.advice.verdict import Name
from autoscaler.errors import AutoscalerError
from forecasting.series import Series

if TYPE_CHECKING:
    from autoscaler import rangequery

_MOST_BYTES = 32 * 1024 * 1024
#: How long a Prometheus that is busy is left alone, each time longer.
PAUSES_S = (2.0, 5.0, 15.0)
#: What fewer points may mend: "would load too many samples", a limit of Thanos or Mimir, an answer that is too long or too late.
_TOO_MUCH = frozenset({Fault.REJECTED, Fault.TOO_MANY, Fault.TIMEOUT})


class SpentError(AutoscalerError):
    """The budget is spent; the message says what it was, and what would help."""


class Found(NamedTuple):
    """A Deployment that has GPUs."""

    name: Name
    gpus_each: int
    """How many GPUs one of its pods has, or instances of them."""


class Asker:
    """A Prometheus at *url*, and how many queries and points it was asked for, of which *plan* has the most.

    Raises `SourceError` where there is no answer, after all tries; and `SpentError` rather than ask for more than there may be.
    """

    def __init__(
        self,
        url: str,
        plan: Plan,
        *,
        points: int,
        deadline_s: float,
        token_file: Path | None = None,
        ca_file: Path | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.queries = 0
        self.points = 0
        self.step_s = plan.step_s
        self._days = plan.days
        self._most_queries, self._most_points = plan.queries + budget.AGAIN, points
        self._deployments = plan.deployments
        self._deadline_s = deadline_s
        self._pause = pause
        self._answered = False
        self._credentials = Credentials(self.url, Auth(bearer_token_file=token_file), Tls(ca_file=ca_file))

    def deployments(self, *, end_s: int, namespace: str | None) -> list[Found]:
        """Return the Deployments with GPUs, those with the most first; then look as often as so many of them allow."""
        gpus: dict[Name, float] = defaultdict(float)
        for name, value in self._found(questions.discovery(self._deployments, namespace), end_s):
            gpus[name] += value
        each: dict[Name, float] = defaultdict(float)
        for name, value in self._found(questions.gpus_each(namespace), end_s) if gpus else ():
            each[name] = max(each[name], value)
        names = sorted(gpus, key=lambda name: (-gpus[name], name))[: self._deployments]
        if names:
            left = self._most_points - self.points
            finer = budget.plan(days=self._days, deployments=len(names), points=left + budget.DISCOVERIES * DISCOVERY_LOOKS)
            self.step_s = min(self.step_s, finer.step_s)
        return [Found(name, max(1, round(each[name]))) for name in names]

    def together(self, queries: Sequence[str], *, end_s: int) -> list[Series]:
        """Return the one series that each of *queries* gives, all with the same steps; what is not known is NaN."""
        step_s: int | None = self.step_s
        while step_s is not None:
            try:
                found = [self._series(query, end_s, step_s) for query in queries]
            except SourceError as error:
                step_s = budget.wider(step_s)
                if error.fault not in _TOO_MUCH or step_s is None:
                    raise
            else:
                self.step_s = step_s  # for all that come: what was too much of one is too much of the next
                return found
        raise AssertionError  # the widest step returns or raises

    def _found(self, query: str, end_s: int) -> list[tuple[Name, float]]:
        looks = DISCOVERY_LOOKS
        while True:
            step_s = max(1, int(self._days * budget.DAY_S) // looks)
            try:
                series = self._ask(query, end_s - (looks - 1) * step_s, end_s, step_s)
            except SourceError as error:
                if error.fault not in _TOO_MUCH or looks == 1:
                    raise
                looks = max(1, looks // 4)
                continue
            return [
                (Name(one.labels.get("namespace", ""), one.labels["workload"]), float(value))
                for one in series
                if one.labels.get("workload")
                for _, value in one.points
            ]

    def _series(self, query: str, end_s: int, step_s: int) -> Series:
        count = int(self._days * budget.DAY_S // step_s)
        last = end_s // step_s
        first = last - count
        values = np.full(count, np.nan)
        for one in self._ask(query, (first + 1) * step_s, last * step_s, step_s):
            for at, text in one.points:
                index = round(at / step_s) - 1 - first
                if 0 <= index < count and np.isfinite(value := float(text)) and value >= 0:
                    values[index] = value
        return Series(first * step_s, step_s, values)

    def _ask(self, query: str, first_s: int, last_s: int, step_s: int) -> "list[rangequery.Found]":
        """Return what *query* gives; while Prometheus is busy, wait and ask again."""
        from autoscaler import rangequery  # a quarter of a second, for requests

        for pause_s in (*PAUSES_S, None):
            self._spend((last_s - first_s) // step_s + 1)
            try:
                found = rangequery.ask(self._server(), query, first_s=first_s, last_s=last_s, step_s=step_s)
            except SourceError as error:
                if pause_s is None or not self._busy(error):
                    raise
                self._pause(pause_s)
            else:
                self._answered = True
                return found
        raise AssertionError  # the last try returns or raises

    def _busy(self, error: SourceError) -> bool:
        """Return whether waiting may help: it said that it is busy, or it has answered before and is gone for a moment."""
        return error.fault is Fault.DOWN and (self._answered or not isinstance(error.__cause__, OSError))

    def _spend(self, points: int) -> None:
        if self.queries + 1 > self._most_queries:
            raise SpentError(f"all of its {self._most_queries} queries are asked: Prometheus refused some")
        if self.points + points > self._most_points:
            raise SpentError(f"all of its {self._most_points:,} points are asked for: give a larger --points, or fewer --days")
        self.queries += 1
        self.points += points

    def _server(self) -> "rangequery.Server":
        from autoscaler import rangequery

        access: Access = self._credentials.read(https=self.url.startswith("https:"))
        return rangequery.Server(url=self.url, access=access, deadline=time.monotonic() + self._deadline_s, max_bytes=_MOST_BYTES)
