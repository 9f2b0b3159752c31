"""The committed dashboards as JSON, and the expressions in them as Prometheus gets them from Grafana."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dashboards import pages

Json = dict[str, Any]

BOARDS: Mapping[str, Json] = {file.name: json.loads(file.read_text()) for file in sorted(pages.FOLDER.glob("*.json"))}

#: What Grafana puts in the place of its own variables, as far as a test has it otherwise.
MACROS = {
    "$__rate_interval": "4s", "$__range_s": "120", "$__range": "120s", "$__interval": "1s",
}  # fmt: skip


class Expression(NamedTuple):
    """An expression, and where it stands."""

    board: str
    place: str
    """A panel's title and a query's letter, or an annotation's or a variable's name."""
    text: str
    instant: bool = False
    name: str = ""
    """The pattern of its series' names."""

    def __str__(self) -> str:
        """Return where it stands."""
        return f"{self.board}: {self.place}"


def panels(board: Json) -> Iterator[Json]:
    """Yield the panels that show something, those of collapsed rows too."""
    for panel in board["panels"]:
        if panel["type"] != "row":
            yield panel
        yield from panel.get("panels", ()) if panel["type"] == "row" else ()


def of_panels(file: str) -> Iterator[Expression]:
    """Yield the expressions of every panel of a dashboard."""
    for panel in panels(BOARDS[file]):
        for target in panel["targets"]:
            place = f"{panel['title']}, {target['refId']} of panel {panel['id']}"
            yield Expression(file, place, target["expr"], bool(target.get("instant")), target.get("legendFormat", ""))


def of_annotations(file: str) -> Iterator[Expression]:
    """Yield the expressions of every annotation of a dashboard."""
    for annotation in BOARDS[file]["annotations"].get("list", ()):
        names = annotation.get("textFormat", "")
        yield Expression(file, f"annotation {annotation['name']}", annotation["target"]["expr"], name=names)


def every() -> list[Expression]:
    """Return the expressions of all panels and annotations."""
    return [each for file in BOARDS for each in (*of_panels(file), *of_annotations(file))]


def variables(file: str) -> dict[str, Json]:
    """Return the variables of a dashboard by their names, in their order."""
    return {variable["name"]: variable for variable in BOARDS[file]["templating"]["list"]}


def asked(variable: Json) -> tuple[str, str]:
    """Return the selector and the label of a variable's ``label_values(SELECTOR, LABEL)``."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found is not None, variable["query"]
    return found[1], found[2]


def substituted(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with Grafana's macros replaced, and each variable by its value."""
    for name, value in sorted({**MACROS, **{f"${name}": value for name, value in values.items()}}.items(), reverse=True):
        text = re.sub(rf"{re.escape(name)}(?!\w)", lambda _, value=value: value, text)
    return text
