"""The demo's screen: the load, what waits, where the pods are, and what was decided and why, from the object's own status."""

from collections.abc import Mapping, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autoscaler.sandbox.account import Account
from autoscaler.sandbox.moment import Moment, Prospect, State
from autoscaler.sandbox.scenario import MAX_REPLICAS, SCALE

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48
_CHANGES = 5
_STYLES = {State.SERVING: "green", State.WARM: "yellow", State.STARTING: "blue"}
_NOTE = f"a second here is a minute there: windows, rates, cool-down, idling and model loading are {SCALE} times shorter"


def is_there(environment: Mapping[str, str], platform: str) -> bool:
    """Return whether somebody sees a browser that is started here: not in a pipeline, nor over ssh without a display."""
    if environment.get("CI") or environment.get("BROWSER") == "none":
        return False
    if platform in {"darwin", "win32"}:
        return "SSH_CONNECTION" not in environment
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def picture(account: Account, history: Sequence[Moment]) -> Group:
    """Return the screen after the last moment of *history*."""
    moment = history[-1]
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    # What waits and how busy the GPUs are stand beside the load that caused them, each with its own past.
    table.add_row("load", f"{moment.rate:5.1f} /s    {spark([each.rate for each in history])}")
    _band(table, history)
    table.add_row("gateway", f"{moment.held:5d} wait  {spark([float(each.held) for each in history])}")
    table.add_row("GPUs", f"{_percent(moment):>5} busy  {spark([each.gpu_percent for each in history], top=100.0)}")
    table.add_row("pods", dots(moment))
    table.add_row("decision", str(moment.status.get("message") or "none yet"))
    table.add_row("signals", str(moment.status.get("signals") or "?"))
    for change in account.changes[-_CHANGES:]:
        table.add_row(f"{change.at:4.0f} s", f"{change.before} → {change.after}  {_because(change.why)}")
    title = Text(f"{moment.at:4.0f} s  {account.scenario.scene(moment.at)}", style="bold")
    return Group(title, Text(_NOTE, style="dim"), table)


def _band(table: Table, history: Sequence[Moment]) -> None:
    """Add what is expected, on the scale of what came: the bars of what is to come rise before those of what is there."""
    seen = [each.prospect for each in history]
    rows = {
        "ahead 90": [each.likely for each in seen],
        "ahead 50": [each.median for each in seen],
        "offered": [each.offered for each in seen],
    }
    top = max((value for values in rows.values() for value in values[-_WIDTH:] if value is not None), default=0.0)
    for name, values in rows.items():
        table.add_row(name, f"{_number(values[-1]):>5} pods  {spark(values, top=top)}")
    table.add_row("forecast", _belief(seen[-1]))


def _belief(prospect: Prospect) -> str:
    """Return how far ahead is looked, whether that is believed, and what its record is."""
    if prospect.likely is None:
        return "learning"
    ahead = f"{prospect.horizon_s:.0f} s ahead, " if prospect.horizon_s is not None else ""
    worth = "" if prospect.loss_ratio is None else f": its loss is {prospect.loss_ratio:.2f} of the best reactive forecast's"
    return f"{ahead}{'' if prospect.gate_open else 'not '}believed{worth}"


def line(account: Account, moment: Moment) -> str:
    """Return *moment* in a line."""
    counts = " ".join(f"{state.value}{moment.count(state)}" for state in State)
    said = moment.status.get("message") or "not decided yet"
    scene = account.scenario.scene(moment.at)
    expected = f"forecast {_number(moment.prospect.median)}–{_number(moment.prospect.likely)}"
    expected += "" if moment.prospect.gate_open else " (not believed)"
    facts = f"load {moment.rate:4.1f}/s  {expected}  waiting {moment.held:3d}  {_percent(moment):>4}  {counts}"
    return f"{moment.at:5.1f} s  {scene:<13} {facts}  {said}"


def introduction() -> str:
    """Return what the signs mean."""
    signs = f"{State.SERVING.value} serving, {State.WARM.value} warm (ready, no requests), {State.STARTING.value} loading"
    ahead = "forecast: what the largest load within a lead will not exceed with 50 % and with 90 % probability, in pods' worth"
    return f"{_NOTE}\npods: {signs}\n{ahead}"


def dots(moment: Moment) -> Text:
    """Return a sign for each pod, those that serve first."""
    text = Text()
    for state in State:
        text.append(f"{state.value} " * moment.count(state), style=_STYLES[state])
    text.append("· " * max(0, MAX_REPLICAS - len(moment.pods)), style="dim")
    words = ", ".join(f"{moment.count(state)} {state.name.lower()}" for state in State)
    return text.append(f" {words}")


def spark(values: Sequence[float | None], *, top: float = 0.0) -> str:
    """Return the last of *values* as bars, and blanks where nothing is known; *top* is at least the highest."""
    last = values[-_WIDTH:]
    highest = max((value for value in last if value is not None), default=0.0)
    full = max(highest, top, 1e-9)
    return "".join(" " if value is None else _BARS[round((len(_BARS) - 1) * value / full)] for value in last)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _percent(moment: Moment) -> str:
    return "–" if moment.gpu_percent is None else f"{moment.gpu_percent:.0f} %"


def _because(why: str) -> str:
    """Return the reason of a change without the numbers that stand before it."""
    return why.partition(": ")[2] or why
