"""The screens of `leadtime status` and `leadtime top`. Words from the cluster become plain text here, never markup."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autoscaler import fleetview
from autoscaler.cli import terminal
from autoscaler.fleetview import Row
from autoscaler.report import narrate, status

_DECISIONS = 6
ABSENT = "–"


def table(documents: Sequence[Mapping[str, Any]], *, now: float, wide: bool) -> RenderableType:
    """Return one line for each scaler, and what complains beneath them."""
    rows = [fleetview.row(document, now=now) for document in documents]
    if not rows:
        return Text("there is no InferenceScaler here")
    shown = grid("SCALER", "TARGET", "MODE", "NOW", "WANTED", "READY", "MIN–MAX", "REASON", "SIGNALS")
    if wide:
        for name in ("WARM", "FORECAST", "START-UP", "DATA AGE"):
            shown.add_column(name, no_wrap=True)
    for row in rows:
        cells = [
            cell(row.key, style="bold"),
            cell(row.target),
            cell(_mode(row), style="yellow" if row.mode != "Auto" or row.boost else ""),
            number(row.current),
            number(row.desired, style="bold"),
            number(row.ready_replicas),
            cell(f"{_or_absent(row.least)}–{_or_absent(row.most)}"),
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
    return Group(shown, *_complaints(rows))


def closely(document: Mapping[str, Any], *, now: float) -> RenderableType:
    """Return everything about one scaler: where it stands, what complains, its last decisions and why the last one."""
    row = fleetview.row(document, now=now)
    told: Mapping[str, Any] = document.get("status") or {}
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", no_wrap=True)
    facts.add_column(overflow="fold")
    facts.add_row("target", cell(f"{row.target}, mode {_mode(row)}"))
    ready = f"{_or_absent(row.ready_replicas)} ready, {_or_absent(row.warm)} warm"
    facts.add_row(
        "replicas", cell(f"{_or_absent(row.current)} now, {_or_absent(row.desired)} wanted of {row.least}–{row.most}; {ready}")
    )
    facts.add_row("signals", cell(row.signals or ABSENT))
    facts.add_row("forecast", cell(row.forecast or ABSENT))
    facts.add_row("start-up", cell(f"{seconds(row.startup_p90_s)} for nine of ten"))
    facts.add_row("today", cell(_today(row)))
    for each in told.get("conditions") or ():
        bad = any(text.startswith(f"{each.get('type')}: ") for text in row.trouble)
        words = f"{each.get('status')} ({each.get('reason')}) {each.get('message') or ''}"
        facts.add_row(cell(each.get("type"), style="red" if bad else "dim"), cell(words, style="red" if bad else ""))
    trail = grid("WHEN", "FROM", "TO", "REASON", "WHY")
    for entry in list(told.get("trail") or ())[:_DECISIONS]:
        trail.add_row(*(cell(entry.get(name, ABSENT)) for name in ("at", "from", "to", "reason", "why")))
    entry = status.entry_at(told, None)
    why = [cell(line) for line in narrate.decided(entry)] if entry is not None else []
    parts: list[RenderableType] = [cell(row.key, style="bold"), facts]
    if entry is not None:
        parts += [Text(""), Text("the last decision", style="dim"), *why, Text(""), trail]
    return Group(*parts)


def grid(*names: str) -> Table:
    """Return an empty table with these columns, as kubectl sets them."""
    made = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for at, name in enumerate(names):
        made.add_column(name, no_wrap=at == 0, overflow="fold")
    return made


def cell(text: object, *, style: str = "") -> Text:
    """Return *text* as it is, in one line, without any power over the terminal."""
    return Text(terminal.plain(text), style=style)


def number(value: int | None, *, style: str = "") -> Text:
    """Return *value*, or that there is none."""
    return Text(_or_absent(value), style=style, justify="right")


def seconds(value: float | None) -> str:
    """Return a duration, or that there is none."""
    return ABSENT if value is None else f"{value:.0f}s"


def _or_absent(value: int | None) -> str:
    return ABSENT if value is None else str(value)


def _today(row: Row) -> str:
    if row.gpu_hours_today is None:
        return ABSENT
    return f"{row.gpu_hours_today:.1f} GPU-hours{f', {row.cost_today}' if row.cost_today else ''}"


def _mode(row: Row) -> str:
    if row.boost is None:
        return row.mode
    return f"{row.mode}, at least {row.boost.min_replicas} until {fleetview.until(row.boost)}"


def _complaints(rows: Iterable[Row]) -> Iterable[RenderableType]:
    lines = [cell(f"{row.key}: {trouble}", style="red") for row in rows for trouble in row.trouble]
    return [Text(""), *lines] if lines else []
