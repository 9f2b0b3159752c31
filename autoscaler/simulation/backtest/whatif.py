"""Another value for any field of an InferenceScaler: ``warmPool.max=3``, checked as the object itself is."""

import copy
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from autoscaler.errors import InvalidScalerError, Problem

_STEP = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9]*)|\[(?P<index>[0-9]{1,6})\]")


class Setting(NamedTuple):
    """A field below ``spec`` and what it is to be; None leaves it out."""

    path: tuple[str | int, ...]
    value: Any

    def __str__(self) -> str:
        value = self.value if isinstance(self.value, str) else msgspec.json.encode(self.value).decode()
        return f"{spelled(self.path)}={value}"


def parse(text: str) -> Setting:
    """Return what ``PATH=VALUE`` means: a path with dots and ``[0]``, with or without ``spec.``, and JSON or a bare word.

    Raises `InvalidScalerError` with what would mend it.
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise InvalidScalerError([Problem(text, "is not PATH=VALUE, such as warmPool.max=3")])
    steps = _steps(path.strip().removeprefix("spec."))
    try:
        return Setting(steps, msgspec.json.decode(value))
    except msgspec.DecodeError:
        return Setting(steps, value)  # a word, such as Band


def applied(document: Mapping[str, Any], settings: Iterable[Setting]) -> dict[str, Any]:
    """Return the InferenceScaler *document* with other values below its spec; whether they are allowed is for `policy.read`.

    Mappings on the way that are not there are made. Raises `InvalidScalerError` where a path steps through what is none, or
    beyond a list.
    """
    changed = copy.deepcopy(dict(document))
    for setting in settings:
        place: Any = changed
        for depth, (step, below) in enumerate(zip(("spec", *setting.path[:-1]), setting.path, strict=True)):
            here = place[step] if isinstance(step, int) else place.get(step)
            if here is None and isinstance(below, str) and isinstance(step, str):
                here = place[step] = {}
            place = _stepped(here, below, setting.path[:depth])
        place[setting.path[-1]] = copy.deepcopy(setting.value)
    return changed


def _stepped(here: Any, below: str | int, path: tuple[str | int, ...]) -> Any:
    """Return *here*, which lies at *path*, if it has, or may have, something at *below*."""
    where = spelled(("spec", *path))
    if isinstance(below, int):
        if not isinstance(here, list):
            raise InvalidScalerError([Problem(where, f"is no list: [{below}] is not in it")])
        if below >= len(here):
            raise InvalidScalerError([Problem(f"{where}[{below}]", f"is not there: {where} has {len(here)}, counted from [0]")])
    elif not isinstance(here, dict):
        list_of = ", as in [0]" if isinstance(here, list) else ""
        raise InvalidScalerError(
            [Problem(where, f"has no field {below}: say which entry{list_of}" if list_of else f"has no field {below}")]
        )
    return here


def _steps(path: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        if steps and path[at] == ".":
            at += 1
        found = _STEP.match(path, at)
        if found is None or (found["index"] is not None and path[at - 1 : at] in ("", ".")):
            break
        steps.append(found["name"] if found["index"] is None else int(found["index"]))
        at = found.end()
        if at < len(path) and path[at] not in ".[":
            break
    if not steps or at < len(path) or path.endswith("."):
        raise InvalidScalerError([Problem(path, "is no path below spec: write it as in warmPool.max or metrics[0].pods")])
    return tuple(steps)


def spelled(path: Iterable[str | int]) -> str:
    """Return *path* as it is written: ``metrics[0].pods``."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
