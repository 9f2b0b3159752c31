"""What the fields of a spec mean together, and where they contradict each other.

The spec is looked at as it was told, so that what is wrong here is found although something else is wrong with a field (that is
for `schema`): a value of the wrong type says nothing here. So one look shows every problem.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import cronsim

from autoscaler.decision import model
from autoscaler.errors import Problem
from autoscaler.resource import metrics, rules

_MEMBERS = {"Pods": "pods", "Object": "object", "External": "external"}
_REFUSED = ("Resource", "ContainerResource")
_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # a cron line is read from somewhere


@dataclass(frozen=True, slots=True)
class Told:
    """A part of a document as its author wrote it, and its path."""

    path: str
    value: object

    @property
    def given(self) -> bool:
        """Return whether it is there; null is the same as left out."""
        return self.value is not None

    def __getitem__(self, key: str) -> "Told":
        value = self.value.get(key) if isinstance(self.value, Mapping) else None
        return Told(f"{self.path}.{key}" if self.path else key, value)

    def __iter__(self) -> Iterator["Told"]:
        if isinstance(self.value, list | tuple):
            for position, value in enumerate(self.value):
                yield Told(f"{self.path}[{position}]", value)

    def whole(self, default: int | None = None) -> int | None:
        """Return the whole number here, *default* where none is given, or None where there is something else."""
        if not self.given:
            return default
        return self.value if isinstance(self.value, int) and not isinstance(self.value, bool) else None

    def text(self, default: str = "") -> str:
        """Return the text here, and *default* for anything else."""
        return self.value if isinstance(self.value, str) else default

    def problem(self, message: str) -> Problem:
        """Return a problem with what is here."""
        return Problem(self.path, message)


def problems(spec: Told, *, known_zone: Callable[[str], bool]) -> Iterator[Problem]:
    """Yield every contradiction in *spec*; *known_zone* says whether there is a time zone of that name."""
    yield from _bounds(spec)
    yield from _metrics(spec)
    yield from _signals(spec)
    yield from _zero(spec)
    yield from _band(spec)
    yield from _startup(spec)
    yield from _schedules(spec, known_zone)


def _above(
    low: Told, high: Told, what: str, *, low_default: int | None = None, high_default: int | None = None
) -> Iterator[Problem]:
    """Yield a problem where *low* is above *high*, which is called *what*; a default says what one stands for that is left out."""
    least, most = low.whole(low_default), high.whole(high_default)
    if least is not None and most is not None and least > most:
        yield low.problem(f"{least} is above {what} {most}: lower the one or raise the other")


def _bounds(spec: Told) -> Iterator[Problem]:
    most, pool, missing = spec["maxReplicas"], spec["warmPool"], spec["onMissing"]
    yield from _above(spec["minReplicas"], most, "maxReplicas", low_default=1)
    if spec["idle"].given:
        yield from _above(spec["idle"]["replicas"], most, "maxReplicas", low_default=1)
    if missing["behavior"].text("Hold") != "Hold":
        yield from _above(missing["replicas"], most, "maxReplicas", low_default=1)
    if pool.given:
        yield from _above(pool["min"], pool["max"], "warmPool.max", low_default=0, high_default=0)
        warm, total = pool["max"].whole(0), most.whole()
        if warm is not None and total is not None and warm >= total > 0:
            yield pool["max"].problem(f"{warm} of maxReplicas {total} leaves no replica to serve: keep it below")


def _metrics(spec: Told) -> Iterator[Problem]:
    if not spec["metrics"].value and not spec["schedules"].value:
        yield spec["metrics"].problem("there is nothing to decide by: give metrics or schedules")
    seen: dict[str, str] = {}
    for metric in spec["metrics"]:
        yield from _metric(metric)
        name = _name(metric)
        if name and name in seen:
            yield metric.problem(f"{name} is {seen[name]} already: a metric is one signal; serve the other under a name of its own")
        seen.setdefault(name, metric.path)


def _metric(metric: Told) -> Iterator[Problem]:
    kind = metric["type"].text()
    if kind in _REFUSED:
        yield metric.problem(f"type {kind} is refused: {rules.NOT_GPU}")
        return
    if kind and kind not in _MEMBERS:
        yield metric["type"].problem(f"{kind!r} is no type of metric: it is Pods, Object or External")
        return
    for of, member in _MEMBERS.items():
        if of == kind and not metric[member].given:
            yield metric[member].problem(f"is missing: it is what type {kind} is about")
        elif kind and of != kind and metric[member].given:
            yield metric[member].problem(f"does not go with type {kind}: give one metric for each entry")
    if kind and metric[_MEMBERS[kind]].given:
        yield from _target(metric[_MEMBERS[kind]]["target"], kind)


def _target(target: Told, kind: str) -> Iterator[Problem]:
    compared = target["type"].text()
    if kind == "Pods" and compared == "Value":
        yield target["type"].problem("a Pods metric is compared by type AverageValue: each pod has a value of its own")
    elif compared in ("Value", "AverageValue"):
        wanted, other = ("value", "averageValue") if compared == "Value" else ("averageValue", "value")
        if not target[wanted].given:
            yield target[wanted].problem(f"is missing: it is what type {compared} compares with")
        if target[other].given:
            yield target[other].problem(f"does not go with type {compared}, which takes {wanted}")


def _name(metric: Told) -> str:
    """Return the name of the metric that *metric* is about, empty where it says none."""
    member = _MEMBERS.get(metric["type"].text())
    return metric[member]["metric"]["name"].text() if member else ""


def _signals(spec: Told) -> Iterator[Problem]:
    names = {_name(metric) for metric in spec["metrics"]} - {""}
    seen: set[str] = set()
    for hint in spec["signals"]:
        name = hint["metric"].text()
        if not name:
            continue
        if name in seen:
            yield hint["metric"].problem(f"{name} has a hint already: put both into one")
        elif name not in names:
            yield hint["metric"].problem(f"{name} is none of the metrics: {', '.join(sorted(names)) or 'there are none'}")
        seen.add(name)
        kind = hint["kind"].text(metrics.known(name).kind)
        if hint["learnCapacity"].value is True and kind != model.Kind.CONCURRENCY:
            yield hint["learnCapacity"].problem(f"what a replica holds is learned from kind Concurrency, and {name} is {kind}")


def _reaches_zero(spec: Told) -> bool:
    """Return whether a minimum of 0 is ever reached: by rest, or with rule Target and no word about rest, as HPA reaches it."""
    idle = spec["idle"]
    return idle["zeroAfterSeconds"].given if idle.given else spec["scaleDown"]["rule"].text() == model.DownRule.TARGET


def _zero(spec: Told) -> Iterator[Problem]:
    if spec["minReplicas"].whole(1) != 0 or not _reaches_zero(spec):
        return
    survives = any(metric["type"].text() in ("Object", "External") for metric in spec["metrics"])
    scheduled = any((schedule["minReplicas"].whole() or 0) > 0 for schedule in spec["schedules"])
    if not survives and not scheduled:
        remedy = "leave idle.zeroAfterSeconds out" if spec["idle"].given else "give minReplicas 1"
        yield spec["minReplicas"].problem(f"{rules.ZERO}. Add one, or {remedy}")


def _band(spec: Told) -> Iterator[Problem]:
    if spec["scaleDown"]["rule"].text() != model.DownRule.BAND:
        return
    hints = {hint["metric"].text(): hint["kind"].text() for hint in spec["signals"] if hint["kind"].given}
    pods = [_name(metric) for metric in spec["metrics"] if metric["type"].text() == "Pods"]
    if not any(hints.get(name, metrics.known(name).kind) == model.Kind.UTILIZATION for name in pods):
        yield spec["scaleDown"]["rule"].problem(rules.BAND)


def _startup(spec: Told) -> Iterator[Problem]:
    prior, default = spec["startup"]["prior"], model.StartupPrior()
    half, most = prior["p50Seconds"].whole(int(default.p50_s)), prior["p90Seconds"].whole(int(default.p90_s))
    if half is not None and most is not None and half > most:
        yield prior["p50Seconds"].problem(f"{half} is above p90Seconds {most}: half of the pods take no longer than nine of ten")


def _schedules(spec: Told, known_zone: Callable[[str], bool]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for schedule in spec["schedules"]:
        name = schedule["name"].text()
        if name and name in seen:
            yield schedule["name"].problem(f"{seen[name]} is named {name} already: reasons name schedules, so each needs its own")
        seen.setdefault(name, schedule.path)
        low, high = schedule["minReplicas"], schedule["maxReplicas"]
        if not low.given and not high.given:
            yield schedule.problem("changes nothing: give minReplicas, maxReplicas, or both")
        yield from _above(low, high, "maxReplicas")
        yield from _above(high if high.given else low, spec["maxReplicas"], "spec.maxReplicas")
        if not low.given:
            floor, most = spec["minReplicas"].whole(1), high.whole()
            if floor is not None and most is not None and most < floor:
                yield high.problem(f"{most} is below spec.minReplicas {floor}: give the schedule a minReplicas of its own")
        yield from _times(schedule, known_zone)


def _times(schedule: Told, known_zone: Callable[[str], bool]) -> Iterator[Problem]:
    start, end, zone = schedule["start"], schedule["end"], schedule["timeZone"]
    for line in (start, end):
        if line.text() and (why := _no_cron_line(line.text())):
            yield line.problem(why)
    if start.text() and " ".join(start.text().split()) == " ".join(end.text().split()):
        yield end.problem("is the same as start: the schedule would never be in force")
    if zone.text() and not known_zone(zone.text()):
        yield zone.problem(f"{zone.text()!r} is no time zone: take a name of the IANA database, such as Asia/Shanghai or UTC")


def _no_cron_line(line: str) -> str:
    """Return why *line* is no cron line of five fields, empty where it is one."""
    if len(line.split()) != 5:
        return f"{line!r} is no cron line of five fields: minute, hour, day of the month, month, day of the week"
    try:
        cronsim.CronSim(line, _ANY_TIME)
    except cronsim.CronSimError as error:
        return f"{line!r} is no cron line: {error}"
    return ""
