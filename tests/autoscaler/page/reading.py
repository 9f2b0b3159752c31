"""A reader of streams, as the browser is one: what it has been told, put together as `static/store.js` does it."""

import json
import math
from dataclasses import dataclass, field
from typing import Any


def events(data: bytes) -> list[tuple[str, Any, str]]:
    """Return the events in *data*: name, data and id."""
    found = []
    for block in data.decode().strip().split("\n\n"):
        said = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in said:
            found.append((said["event"], json.loads(said["data"]), said.get("id", "")))
    return found


@dataclass
class Reader:
    """Holds what it was told last."""

    last: str = ""
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    target: dict[str, Any] | None = None

    def hear(self, data: bytes) -> None:
        """Take events in."""
        for name, said, number in events(data):
            match name:
                case "fleet":
                    self.rows = {(row["namespace"], row["name"]): row for row in said["rows"]}
                case "rows":
                    for row in said["changed"]:
                        key = row["namespace"], row["name"]
                        self.rows[key] = {**self.rows.get(key, {}), **row}
                    for key in said["gone"]:
                        self.rows.pop(tuple(key), None)
                case "target":
                    self.target = said
                case "news":
                    assert self.target is not None
                    _add(self.target, said)
                case "gone":
                    self.target = None
                case _:
                    raise AssertionError(name)
            self.last = number or self.last


def _add(target: dict[str, Any], news: dict[str, Any]) -> None:
    target["row"].update(news.get("row", {}))
    for point in news.get("points", ()):
        _draw(target["fine"], point)
        _draw(target["coarse"], point)
    for entry in news.get("decisions", ()):
        target["decisions"] = [each for each in target["decisions"] if each["number"] != entry["number"]] + [entry]
    if "kept" in news:
        target["decisions"] = [each for each in target["decisions"] if each["number"] in news["kept"]]


def _draw(ring: dict[str, Any], point: dict[str, Any]) -> None:
    step, at = ring["stepSeconds"], ring["at"]
    if at and point["at"] <= at[-1]:
        return
    if at and math.floor(at[-1] / step) == math.floor(point["at"] / step):
        for column in _columns(ring):
            column.pop()
    known = len(at)
    at.append(point["at"])
    for name, value in point["figures"].items():
        ring["figures"][name].append(value)
    for name, pair in point["signals"].items():
        columns = ring["signals"].setdefault(name, [[None] * known, [None] * known])
        for column, value in zip(columns, pair, strict=True):
            column.append(value)
    for column in _columns(ring):
        if len(column) == known:
            column.append(None)
    for column in _columns(ring):
        del column[: max(0, len(column) - ring["points"])]
    ring["signals"] = {
        name: pair for name, pair in ring["signals"].items() if any(value is not None for column in pair for value in column)
    }


def _columns(ring: dict[str, Any]) -> list[list[Any]]:
    return [ring["at"], *ring["figures"].values(), *(column for pair in ring["signals"].values() for column in pair)]
