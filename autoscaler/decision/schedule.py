"""Schedules: stretches of time with bounds of their own, from when one cron line comes round until another does.

The lines are read on the clocks of the schedule's time zone. Where clocks are put forward, a time that is skipped comes at the
next minute that there is; where they are put back, a stretch begins at the first and ends at the second of two equal times, so
that it lasts as long as a clock on the wall says. Lines with a star for the minute or the hour come round in real time.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from cronsim import CronSim

from autoscaler.decision.model import ScheduleState

#: Clocks are not put forward or back by more at once, but for a country that changes sides of the date line.
_SHIFT = timedelta(hours=3)
_MINUTE = timedelta(minutes=1)


class Schedule(Protocol):
    """What is read of a schedule; its lines are valid."""

    @property
    def name(self) -> str:
        """What it is called in reasons."""

    @property
    def start(self) -> str:
        """The cron line at which it comes into force."""

    @property
    def end(self) -> str:
        """The cron line at which it is over."""

    @property
    def time_zone(self) -> str:
        """On whose clocks the lines are read."""

    @property
    def min_replicas(self) -> int | None:
        """The least while it is in force."""

    @property
    def max_replicas(self) -> int | None:
        """The most while it is in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boost:
    """A minimum that somebody asked for, once, until a time: it ends by itself, whoever asked and wherever they are by then."""

    min_replicas: int
    until: float  # Unix seconds


def boosted(found: ScheduleState, until: float, boost: Boost | None, *, now: float) -> tuple[ScheduleState, float]:
    """Return what `state` *found*, standing *until* then, with *boost* at work beside it, and until when that stands."""
    if boost is None or now >= boost.until:
        return found, until
    least = boost.min_replicas if found.min_replicas is None else max(boost.min_replicas, found.min_replicas)
    end = datetime.fromtimestamp(boost.until, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    raised = dataclasses.replace(found, names=(*found.names, f"boost until {end}"), min_replicas=least)
    return raised, min(until, boost.until)


def state(schedules: Sequence[Schedule], zones: Mapping[str, tzinfo], *, now: float) -> tuple[ScheduleState, float]:
    """Return which schedules are in force at *now* with their bounds combined, and until when that stands.

    Of several the highest minimum and the lowest maximum count. Costs about a millisecond for each schedule: keep the answer
    until it ends.

    Raises:
        KeyError: *zones* lacks the time zone of a schedule.

    """
    active: list[Schedule] = []
    until, next_start = math.inf, math.inf
    for schedule in schedules:
        zone = zones[schedule.time_zone]
        began, ended = _last(schedule.start, zone, now, fold=0), _last(schedule.end, zone, now, fold=1)
        if began > ended:
            active.append(schedule)
        begins, ends = _next(schedule.start, zone, now, fold=0), _next(schedule.end, zone, now, fold=1)
        until = min(until, begins, ends)
        if schedule.min_replicas:
            next_start = min(next_start, begins)
    found = ScheduleState(
        names=tuple(schedule.name for schedule in active),
        min_replicas=max((each.min_replicas for each in active if each.min_replicas is not None), default=None),
        max_replicas=min((each.max_replicas for each in active if each.max_replicas is not None), default=None),
        next_start=next_start if next_start < math.inf else None,
    )
    return found, until


def _last(line: str, zone: tzinfo, now: float, *, fold: int) -> float:
    """Return when *line* came round last, at *now* at the latest, as Unix seconds; -inf: it never did."""
    local = datetime.fromtimestamp(math.floor(now), zone)
    if _in_real_time(line):
        found = next(CronSim(line, local + timedelta(seconds=1), reverse=True), None)
        return -math.inf if found is None else found.timestamp()
    for wall in CronSim(line, local.replace(tzinfo=None) + _SHIFT, reverse=True):
        at = _instant(wall, zone, fold)
        if at <= now:
            return at
    return -math.inf


def _next(line: str, zone: tzinfo, now: float, *, fold: int) -> float:
    """Return when *line* comes round after *now*, as Unix seconds; inf: it never does."""
    local = datetime.fromtimestamp(math.floor(now), zone)
    if _in_real_time(line):
        found = next(CronSim(line, local), None)
        return math.inf if found is None else found.timestamp()
    for wall in CronSim(line, local.replace(tzinfo=None) - _SHIFT):
        at = _instant(wall, zone, fold)
        if at > now:
            return at
    return math.inf


def _in_real_time(line: str) -> bool:
    """Return whether *line* comes round all day: such a line follows the hours that pass, whatever the clocks say they are."""
    minute, hour, *_ = line.split()
    return minute.startswith("*") or hour.startswith("*")


def _instant(wall: datetime, zone: tzinfo, fold: int) -> float:
    """Return when clocks in *zone* show *wall*: the first or, by *fold*, the second time; if never, at the next minute that is."""
    while True:
        at = wall.replace(tzinfo=zone, fold=fold).timestamp()
        if datetime.fromtimestamp(at, zone).replace(tzinfo=None, fold=0) == wall:
            return at
        wall += _MINUTE
