"""What takes part: families of policies, the knobs that tuning may turn, and the one knob that trades GPU time against lateness.

An entry is a description that travels between processes; the policy itself is built where it runs.
"""

import enum
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from autoscaler.decision.model import Record
from autoscaler.simulation.foresight import Recording
from autoscaler.simulation.sight import Policy
from autoscaler.simulation.workload import Workload
from autoscaler.simulation.world import World

Setting = float | int | str | bool | None
#: What the tightness knob is multiplied by: with 1.0, five points a front. Bursts take much more than what is tuned on others.
LEVELS = (0.6, 0.8, 1.0, 1.4, 2.2)

_DRAWN = 7001  # the cause of the generator that draws configurations


class Tuning(enum.StrEnum):
    """Whether an entry runs as its project ships it, or with what was best on the first part of the trace."""

    DEFAULT = "default"
    TUNED = "tuned"


@dataclass(frozen=True, slots=True)
class Given:
    """What a policy may be built from: the world's bounds and start-up, and the past.

    *workload* is what it will meet. Only the clairvoyant plan may look into that; others may take its `past` and its mean lengths.
    *train* is the part before it, for what is sized by hand beforehand.
    """

    workload: Workload
    train: Workload
    world: World
    carried_per_s: float
    """Requests per second that one pod carries within the objective."""
    recording: Recording | None = None
    """What the product's forecaster says of the load as it comes, from its past alone."""
    on_decision: Callable[[Record], object] | None = None
    """Told every decision of our own policy, where one run is watched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tightness:
    """The knob of a family that trades GPU time against lateness: a number, and where it may be."""

    knob: str
    least: float = 0.0
    most: float = float("inf")

    def at(self, value: float, level: float) -> float:
        """Return *value* at *level*, within the knob's bounds."""
        return min(max(value * level, self.least), self.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One autoscaler: how it is built, what its defaults are, what may be turned, and where the port says what it is."""

    name: str
    build: Callable[[Given, Mapping[str, Setting]], Policy]
    """A function at the top of a module: it is found by its name in other processes."""
    defaults: Mapping[str, Setting]
    choices: Mapping[str, tuple[Setting, ...]] = field(default_factory=dict)
    """What tuning may set each knob to."""
    tightness: Tightness | None = None
    front: bool = False
    """Whether it gets a front as it is shipped, too. What cannot be tuned and has a tightness knob always does."""
    foresees: bool = False
    """Whether it takes forecasts, which are made once for each trace."""
    clairvoyant: bool = False
    """Whether it knows the load: then its settings are chosen on the very part that is judged, and only so it takes part."""
    ablates: str | None = None
    """The family that it is less a part of: then it is judged as it is, at one point."""
    about: str = ""
    """What it is a port of, in words for people."""

    def __post_init__(self) -> None:
        unknown = set(self.choices) - set(self.defaults)
        if unknown:
            raise ValueError(f"{self.name}: {', '.join(sorted(unknown))} can be tuned, but has no default")
        if self.tightness is not None and not isinstance(self.defaults.get(self.tightness.knob), int | float):
            raise ValueError(f"{self.name}: {self.tightness.knob} trades GPU time against lateness, so its default is a number")

    @property
    def tunable(self) -> bool:
        """Return whether it is tuned by itself."""
        return bool(self.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A family with its settings, at one level of tightness."""

    family: Family
    tuning: Tuning
    settings: tuple[tuple[str, Setting], ...]
    level: float = 1.0

    @property
    def name(self) -> str:
        """How it is called in tables, the same at every level."""
        plain = self.tuning is Tuning.DEFAULT or self.family.clairvoyant
        return self.family.name if plain else f"{self.family.name} tuned"

    @property
    def at_level(self) -> dict[str, Setting]:
        """Return its settings with the tightness knob turned to its level."""
        settings = dict(self.settings)
        tightness = self.family.tightness
        if tightness is not None and self.level != 1.0:
            value = settings[tightness.knob]
            if not isinstance(value, int | float):
                raise ValueError(f"{self.family.name}: {tightness.knob} is {value!r}, and is to be a number at every level")
            settings[tightness.knob] = tightness.at(float(value), self.level)
        return settings

    def build(self, given: Given) -> Policy:
        """Return the policy itself."""
        return self.family.build(given, self.at_level)


def default(family: Family) -> Entry:
    """Return *family* as its project ships it."""
    return Entry(family=family, tuning=Tuning.DEFAULT, settings=tuple(family.defaults.items()))


def tuned(family: Family, settings: Mapping[str, Setting]) -> Entry:
    """Return *family* with *settings* over its defaults."""
    return Entry(family=family, tuning=Tuning.TUNED, settings=tuple({**family.defaults, **settings}.items()))


def taking_part(entry: Entry) -> tuple[float, ...]:
    """Return the levels at which *entry* is judged: all of them, or as it is."""
    family = entry.family
    if family.ablates is not None:
        return (1.0,)
    return LEVELS if entry.tuning is Tuning.TUNED or family.front or not family.tunable else (1.0,)


def levels(entry: Entry, wanted: tuple[float, ...] = LEVELS) -> list[Entry]:
    """Return *entry* at every level that gives it other settings; without a tightness knob, itself."""
    if entry.family.tightness is None:
        return [entry]
    kept: dict[tuple[tuple[str, Setting], ...], Entry] = {}
    # The level of 1 comes first: where the knob's bounds make others equal to it, it is the one that stays.
    for level in sorted(wanted, key=lambda level: (level != 1.0, level)):
        at = Entry(family=entry.family, tuning=entry.tuning, settings=entry.settings, level=level)
        kept.setdefault(tuple(at.at_level.items()), at)
    return sorted(kept.values(), key=lambda each: each.level)


def drawn(family: Family, count: int, *, seed: int) -> list[Entry]:
    """Return *count* configurations of *family* to choose from: its defaults first, then drawn by *seed* without repeats.

    Fewer where the family has no more than that.
    """
    names = list(family.choices)
    rng = np.random.default_rng([seed, _DRAWN])
    found = {default(family).settings: tuned(family, {})}
    for combination in _combinations(family, rng):
        if len(found) >= count:
            break
        entry = tuned(family, dict(zip(names, combination, strict=True)))
        found.setdefault(entry.settings, entry)
    return list(found.values())


def _combinations(family: Family, rng: np.random.Generator) -> Iterator[tuple[Setting, ...]]:
    """Yield every combination of *family*'s choices once, in an order that *rng* draws."""
    every = list(itertools.product(*family.choices.values()))
    for index in rng.permutation(len(every)):
        yield every[index]
