"""The screens of `leadtime status`. Words from the cluster become plain text here, never markup."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from autoscaler import fleetview
from autoscaler.cli.tables import ABSENT, Whole, cell, grid, number, or_absent, seconds
from autoscaler.fleetview import Row
from autoscaler.report import narrate, status

_DECISIONS = 6
_COLUMNS = ("SCALER", "TARGET", "MODE", "NOW", "WANTED", "READY", "MIN–MAX", "REASON", "SIGNALS")
_WIDE = ("WARM", "FORECAST", "START-UP", "DATA AGE")
#: How much of a screen that stays may be complaints: they are no reason not to see the fleet.
_COMPLAINTS_RATIO = 1 / 3


def table(documents: Sequence[Mapping[str, Any]], *, now: float, wide: bool) -> RenderableType:
    """Return one row for each scaler, and what complains beneath them."""
    rows = [fleetview.row(document, now=now) for document in documents]
    if not rows:
        return Text("there is no InferenceScaler here")
    complaints = _complaints(rows)
    return Group(_grid(rows, wide=wide), *([Text(""), *complaints] if complaints else []))


def live(documents: Sequence[Mapping[str, Any]], *, now: float, wide: bool, lines: int, narrower: str) -> RenderableType:
    """Return the same for a screen of so many *lines*: what complains first, what is not ready on top, and how many more there are.

    *narrower* is what makes them fewer; empty where nothing does.
    """
    rows = sorted((fleetview.row(document, now=now) for document in documents), key=lambda row: row.ready is True)
    if not rows:
        return Text("there is no InferenceScaler here")
    parts: list[RenderableType] = []
    if complaints := _complaints(rows):
        parts = [*_first(complaints, max(1, int(lines * _COMPLAINTS_RATIO)), "… and {} more complaints"), Text("")]
    room = max(1, lines - len(parts) - 1)  # below the headings
    cut = len(rows) > room
    shown = rows[: room - 1] if cut else rows
    parts.append(_grid(shown, wide=wide, one_line=True))
    if cut:
        parts.append(_line(f"… and {len(rows) - len(shown)} more{f': {narrower} narrows it' if narrower else ''}", style="dim"))
    return Group(*parts)


def closely(document: Mapping[str, Any], *, now: float) -> RenderableType:
    """Return everything about one scaler: where it stands, what complains, its last decisions and why the last one."""
    row = fleetview.row(document, now=now)
    told: Mapping[str, Any] = document.get("status") or {}
    facts = grid("fact", "says", prose=("says",), headed=False)
    ready = f"{or_absent(row.ready_replicas)} ready, {or_absent(row.warm)} warm"
    for name, says in (
        ("target", f"{row.target}, mode {_mode(row)}"),
        ("replicas", f"{or_absent(row.current)} now, {or_absent(row.desired)} wanted of {row.least}–{row.most}; {ready}"),
        ("signals", row.signals or ABSENT),
        ("forecast", row.forecast or ABSENT),
        ("start-up", f"{seconds(row.startup_p90_s)} for nine of ten"),
        ("today", _today(row)),
    ):
        facts.add_row(cell(name, style="dim"), cell(says))
    for each in told.get("conditions") or ():
        bad = any(text.startswith(f"{each.get('type')}: ") for text in row.trouble)
        words = f"{each.get('status')} ({each.get('reason')}) {each.get('message') or ''}"
        facts.add_row(cell(each.get("type"), style="red" if bad else "dim"), cell(words, style="red" if bad else ""))
    parts: list[RenderableType] = [cell(row.key, style="bold"), Whole(facts)]
    entry = status.entry_at(told, None)
    if entry is not None:
        why = [cell(line) for line in narrate.decided(entry)]
        parts += [Text(""), Text("the last decision", style="dim"), *why, Text(""), _trail(told)]
    return Group(*parts)


def _grid(rows: Iterable[Row], *, wide: bool, one_line: bool = False) -> Whole:
    shown = grid(*_COLUMNS, *(_WIDE if wide else ()), prose=("MODE", "SIGNALS", "FORECAST"))
    for row in rows:
        cells = [
            cell(row.key, style="bold"),
            cell(row.target),
            cell(_mode(row), style="yellow" if row.mode != "Auto" or row.boost else ""),
            number(row.current),
            number(row.desired, style="bold"),
            number(row.ready_replicas),
            cell(f"{or_absent(row.least)}–{or_absent(row.most)}"),
            cell(row.reason or ("NotReady" if row.ready is False else ABSENT), style="" if row.ready else "red"),
            cell(row.signals or ABSENT),
        ]
        if wide:
            cells += [
                number(row.warm),
                cell(row.forecast or ABSENT),
                cell(seconds(row.startup_p90_s)),
                cell(seconds(row.metric_age_s)),
            ]
        shown.add_row(*cells)
    return Whole(shown, one_line=one_line)


def _trail(told: Mapping[str, Any]) -> Whole:
    trail = grid("WHEN", "FROM", "TO", "REASON", "WHY", prose=("WHY",))
    for entry in list(told.get("trail") or ())[:_DECISIONS]:
        trail.add_row(*(cell(entry.get(name, ABSENT)) for name in ("at", "from", "to", "reason", "why")))
    return Whole(trail)


def _complaints(rows: Iterable[Row]) -> list[Text]:
    return [cell(f"{row.key}: {trouble}", style="red") for row in rows for trouble in row.trouble]


def _first(complaints: Sequence[Text], most: int, more: str) -> list[Text]:
    """Return the first of *complaints*, a line each, in *most* lines with the one that says how many *more* there are."""
    shown = complaints if len(complaints) <= most else complaints[: most - 1]
    left = len(complaints) - len(shown)
    return [_line(each.plain, style="red") for each in shown] + ([_line(more.format(left), style="red")] if left else [])


def _line(text: str, *, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _today(row: Row) -> str:
    if row.gpu_hours_today is None:
        return ABSENT
    return f"{row.gpu_hours_today:.1f} GPU-hours{f', {row.cost_today}' if row.cost_today else ''}"


def _mode(row: Row) -> str:
    if row.boost is None:
        return row.mode
    return f"{row.mode}, at least {row.boost.min_replicas} until {fleetview.until(row.boost)}"
