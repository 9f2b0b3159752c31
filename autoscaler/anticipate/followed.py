"""What is kept of each target whose load is forecast: its row, what is wanted of it, and where its history is."""

import enum
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from autoscaler.anticipate import statefile
from autoscaler.anticipate.learner import Wants
from autoscaler.resource.scaler import Key, Scaler
from forecasting.forecast import Spec
from forecasting.tuning import Tuning

#: A target's key, its scaler's uid, and the signals that tell its load: what was learned is of these and no other.
Owner = tuple[Key, str, str]


class Past(enum.Enum):
    """What is known of the time before we began to look."""

    WANTED = "wanted"
    """It is to be asked for."""
    GAP = "gap"
    """It was kept, up to some while ago: what came since is to be asked for."""
    KNOWN = "known"
    """It was kept or asked for, or there is nobody to ask."""


@dataclass(slots=True, kw_only=True)
class Followed:
    """One target. *at* is its row."""

    key: Key
    at: int
    uid: str = ""
    signals: str = ""
    query: str = ""
    scaler: Scaler | None = None  # None: restored, and not seen yet
    horizon: int = 1
    quantile: float = 0.5
    pool: float = 0.5
    past: Past = Past.WANTED
    trouble: str = ""  # why its past is not known
    ask_at: float = 0.0  # when it is asked for again
    tuning: Tuning = field(default_factory=Tuning)  # what a refit has found for it
    fresh: bool = True  # its row has not been told of since it became its own

    @property
    def owner(self) -> Owner:
        """Whose its row is, and of which series."""
        return self.key, self.uid, self.signals


@dataclass(slots=True)
class Register:
    """Who is followed, and which rows are free."""

    spec: Spec
    rows: int = 0
    forget: dict[int, bool] = field(default_factory=dict)
    """Rows that are to be forgotten before they learn any more, and whether what their days look like is kept."""
    _known: dict[Key, Followed] = field(default_factory=dict)
    _free: list[int] = field(default_factory=list)

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._known.values())

    def get(self, key: Key) -> Followed | None:
        """Return *key*, if it is followed."""
        return self._known.get(key)

    def add(self, key: Key) -> Followed:
        """Follow *key* in a row of its own, of which nothing is known."""
        at = self._free.pop() if self._free else self.rows
        self.rows = max(self.rows, at + 1)
        self.forget[at] = False
        one = self._known[key] = Followed(key=key, at=at)
        return one

    def drop(self, key: Key) -> None:
        """Follow *key* no longer; its row is free."""
        one = self._known.pop(key, None)
        if one is not None:
            self._free.append(one.at)

    def renew(self, one: Followed, *, keep_profile: bool) -> None:
        """Have what was learned of *one* forgotten, or, with *keep_profile*, all but what its days look like."""
        self.forget[one.at] = keep_profile and self.forget.get(one.at, True)
        one.fresh, one.tuning = True, Tuning()

    def restore(self, rows: Iterable[statefile.Row], count: int, *, behind: bool) -> None:
        """Take up *rows* of *count*, which are *behind* the present; all other rows are free."""
        self.rows = count
        self.forget.clear()
        self._known = {
            row.key: Followed(
                key=row.key,
                at=row.at,
                uid=row.uid,
                signals=row.signals,
                horizon=row.horizon,
                quantile=row.quantile,
                pool=row.pool,
                past=Past.WANTED if not row.recalled else Past.GAP if behind else Past.KNOWN,
            )
            for row in rows
        }
        taken = {one.at for one in self}
        self._free = [at for at in range(count) if at not in taken]

    def saved(self) -> list[statefile.Row]:
        """Return all rows, as they are kept on disk."""
        return [
            statefile.Row(
                at=one.at,
                namespace=one.key.namespace,
                name=one.key.name,
                uid=one.uid,
                recalled=one.past is not Past.WANTED,
                signals=one.signals,
                horizon=one.horizon,
                quantile=one.quantile,
                pool=one.pool,
            )
            for one in self
            if not one.fresh
        ]

    def wants(self) -> Wants:
        """Return what is wanted of each row; of those that are free, anything."""
        wants = Wants(
            horizons=np.ones(self.rows, dtype=np.int64),
            quantiles=np.full(self.rows, self.spec.quantiles[0]),
            pools=np.full(self.rows, self.spec.quantiles[0]),
        )
        for one in self:
            wants.horizons[one.at], wants.quantiles[one.at], wants.pools[one.at] = one.horizon, one.quantile, one.pool
        return wants


def horizon(lead_s: float, spec: Spec) -> int:
    """Return how many buckets *lead_s* takes, from the middle of the bucket in which a forecast is used: it was made at its start.

    At most as many as the specification's last horizon has.
    """
    return min(max(1, math.ceil(lead_s / spec.step_s + 0.5)), spec.horizons[-1])


def within(quantile: float, spec: Spec) -> float:
    """Return *quantile*, or the nearest that is forecast."""
    return min(max(quantile, spec.quantiles[0]), spec.quantiles[-1])


def signals(scaler: Scaler) -> str:
    """Return what a target's load is measured by: with another target or metric it is another series."""
    return ";".join(
        f"{signal.kind}:{signal.source}:{signal.name}:{query.metric_selector}:{signal.target_type}:{signal.target_milli}"
        for signal, query in zip(scaler.policy.signals, scaler.queries, strict=True)
    )


def default_query(key: Key, step_s: int) -> str:
    """Return the PromQL of the load that this controller, or the one before it, has exported.

    The Prometheus Operator calls a page's own label ``namespace`` ``exported_namespace``, unless it is told to honour it.
    """
    mean = 'avg_over_time(leadtime_offered_replicas{{{label}="{namespace}",scaler="{name}"}}[{step_s}s])'
    terms = (
        f"max({mean.format(label=label, namespace=key.namespace, name=key.name, step_s=step_s)})"
        for label in ("exported_namespace", "namespace")
    )
    return " or ".join(terms)
