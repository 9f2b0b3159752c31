"""The series that forecasts are tried on: a folder of real ones, or made ones where there is none.

Nothing is read from a file's name. A series finer than a minute is summed into minutes; whether it holds counts or a gauge does not
matter, since a mean is the same up to a factor, and every figure is a ratio. A coarser one is forecast at its own step, at those of
the horizons that are whole buckets of it. Of a long one the last 16 days up to its last value are taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.claims import say
from forecasting import series
from forecasting.errors import InputError
from forecasting.forecast import Spec, Target
from forecasting.series import How, Series

MINUTE_S = 60
DAY_S = 86_400
HORIZONS_MIN = (1, 5, 10, 30)
_LONGEST_DAYS = 16
_LONG_DAYS = 3  # one to warm up and two to score
_MADE_DAYS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Series of one step."""

    step_s: int
    loads: Mapping[str, Series]
    """By name, for the tables."""

    @property
    def minutes(self) -> tuple[int, ...]:
        """The horizons in minutes that are whole buckets."""
        return tuple(minutes for minutes in HORIZONS_MIN if minutes * MINUTE_S % self.step_s == 0)

    def spec(self, target: Target) -> Spec:
        """Return what is forecast of them."""
        return Spec(step_s=self.step_s, horizons=tuple(m * MINUTE_S // self.step_s for m in self.minutes), target=target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """All series of a run."""

    minutes: Group | None
    """Of a minute's step and some days; None if there are none."""
    coarse: tuple[Group, ...]
    """Of a coarser step and some days."""
    short: tuple[Group, ...]
    """Too short for anything but starting from nothing."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of them."""
        return (*((self.minutes,) if self.minutes else ()), *self.coarse, *self.short)


def collect(folder: Path | None, *, days: int = _LONGEST_DAYS, most: int | None = None) -> Collection:
    """Return the series of *folder*, or made ones: the last *days* of each, and *most* of each kind."""
    found = made() if folder is None else read(folder)
    cut = {name: _end(load, days) for name, load in found.items()}
    usable = {
        name: load for name, load in cut.items() if len(load) > 1 and any(m * MINUTE_S % load.step_s == 0 for m in HORIZONS_MIN)
    }
    for name in sorted(set(found) - set(usable)):
        say(f"{name} is left out: no values, or a step of {found[name].step_s} s that no horizon is a multiple of")
    long = {name: load for name, load in usable.items() if len(load) * load.step_s >= _LONG_DAYS * DAY_S}
    groups = _groups(long, most)
    short = _groups({name: load for name, load in usable.items() if name not in long}, most)
    minutes = next((group for group in groups if group.step_s == MINUTE_S), None)
    return Collection(minutes=minutes, coarse=tuple(group for group in groups if group is not minutes), short=short)


def read(folder: Path) -> dict[str, Series]:
    """Return every ``*.csv`` and ``*.csv.gz`` in *folder*, by name, in minutes or coarser."""
    paths = sorted(path for path in folder.iterdir() if path.name.endswith((".csv", ".csv.gz")))
    if not paths:
        raise InputError(f"there is no .csv or .csv.gz in {folder}")
    found = {}
    for path in paths:
        try:
            load, cleaning = series.read_csv(path.read_bytes())
        except InputError as exc:
            say(f"{path.name} is left out: {exc}")
            continue
        step_s = next(step for step in range(load.step_s, DAY_S + 1, load.step_s) if step >= MINUTE_S and DAY_S % step == 0)
        name = path.name.removesuffix(".gz").removesuffix(".csv")
        found[name] = load.resample(step_s, How.SUM)
        dropped = cleaning.duplicates + cleaning.negative + cleaning.out_of_order
        if dropped:
            say(f"{name}: {cleaning}")
    return found


def made() -> dict[str, Series]:
    """Return made series, the same every time: what is predictable in loads, and what is not."""
    chance = np.random.default_rng(20260101)
    slot = np.arange(_MADE_DAYS * 1440)
    hours = slot / 60.0
    day = 1.0 + 0.6 * np.sin(2 * np.pi * (hours - 9) / 24)
    office = np.where((hours % 24 > 8) & (hours % 24 < 19) & (hours // 24 % 7 < 5), 1.0, 0.15)
    wander = np.exp(np.cumsum(chance.normal(0, 0.01, slot.size)))
    rates = {
        "daily": 400 * day,
        "office hours": 900 * office,
        "daily with bursts": 300 * day * np.where(chance.random(slot.size) < 0.01, 4.0, 1.0),
        "hourly job": 100 * day + np.where(slot % 60 < 3, 500.0, 0.0),
        "sparse": 0.4 * day,
        "random walk": 200 * wander / wander.mean(),
        "level shifts": 150 * np.repeat(chance.choice([1.0, 2.0, 5.0], size=_MADE_DAYS * 2), 720),
        "white noise": np.full(slot.size, 100.0),
    }
    loads = {name: Series(0, MINUTE_S, chance.poisson(rate)) for name, rate in rates.items()}
    loads["daily, 10 min"] = loads["daily"].resample(600, How.SUM)
    loads["an hour of it"] = loads["daily"].last(60)
    return loads


def _end(load: Series, days: int) -> Series:
    """Return the last *days* up to the last value, from a value on."""
    known = np.flatnonzero(~load.gaps)
    if not known.size:
        return load.last(0)
    end = int(known[-1]) + 1
    begin = int(known[np.searchsorted(known, end - days * DAY_S // load.step_s)])
    return Series(load.start_s + begin * load.step_s, load.step_s, load.values[begin:end])


def _groups(loads: Mapping[str, Series], most: int | None) -> tuple[Group, ...]:
    steps = sorted({load.step_s for load in loads.values()})
    names = {step: [name for name, load in loads.items() if load.step_s == step][:most] for step in steps}
    return tuple(Group(step_s=step, loads={name: loads[name] for name in names[step]}) for step in steps)
