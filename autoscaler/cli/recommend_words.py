"""What `leadtime recommend` has to say, for people and for programs."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import yaml
from rich.text import Text

from autoscaler.advice.verdict import Advice, Verdict
from autoscaler.cli import terminal
from autoscaler.cli.tables import ABSENT, Whole, cell, grid

_STYLES = {Advice.SCALE: "bold green", Advice.ADD: "bold yellow", Advice.LEAVE: "", Advice.UNKNOWN: "dim"}
#: What one acts on.
_WORTH = frozenset({Advice.SCALE, Advice.ADD})
_CAUTION = (
    "GPU utilisation is all that this looks at, and a batching engine's says little of its queue: before you set mode Auto, run"
    " `leadtime backtest` on its requests, or let the scaler recommend for a day (-o yaml prints them in mode Recommend)."
)


def show(verdicts: Sequence[Verdict], output: str) -> None:
    """Print *verdicts* as a table, or as *output* has it for programs; ``yaml`` are the scalers that are worth it."""
    if output == "json":
        print(terminal.json([_facts(one) for one in verdicts]))
    elif output == "yaml":
        told = [one.document for one in verdicts if one.document is not None and one.advice in _WORTH]
        print(yaml.safe_dump_all(told, sort_keys=False, explicit_start=True) if told else "# none is worth it\n", end="")
    elif output == "name":
        terminal.tell(*(one.deployment for one in verdicts if one.advice in _WORTH))
    else:
        _table(verdicts, wide=output == "wide")


def _table(verdicts: Sequence[Verdict], *, wide: bool) -> None:
    more_columns = ("HOURS", "NOTES") if wide else ()
    table = grid("DEPLOYMENT", "VERDICT", "WHY", *more_columns, prose={"WHY", *more_columns[1:]})
    for one in verdicts:
        more = (cell(f"{one.hours:.0f}"), cell("; ".join(one.notes) or ABSENT)) if wide else ()
        table.add_row(cell(one.deployment, style="bold"), cell(one.advice, style=_STYLES[one.advice]), cell(one.why), *more)
    terminal.show(Whole(table), Text(_CAUTION, style="dim"))


def _facts(one: Verdict) -> dict[str, Any]:
    return {
        "deployment": str(one.deployment),
        "advice": one.advice,
        "why": one.why,
        "notes": one.notes,
        "hours": round(one.hours, 2),
        "was": None if one.was is None else dataclasses.asdict(one.was),
        "wouldBe": None if one.would_be is None else dataclasses.asdict(one.would_be),
    }
