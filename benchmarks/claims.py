"""What a benchmark claims, and how it says so: tables for people, and one JSON object as the last line for programs."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Claim:
    """A measured value beside what it has to reach, or must not pass."""

    name: str
    value: float
    goal: float
    bound: Literal["≥", "≤"]

    @property
    def holds(self) -> bool:
        """Return whether the value is on the right side of the goal."""
        return self.value >= self.goal if self.bound == "≥" else self.value <= self.goal

    def document(self) -> dict[str, object]:
        """Return the claim for programs."""
        return {"name": self.name, "value": round(self.value, 4), "goal": self.goal, "holds": self.holds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one benchmark found: its claims, the tables behind them, and the same figures for programs."""

    claims: Sequence[Claim]
    tables: Sequence[Table] = ()
    figures: Mapping[str, object] = field(default_factory=dict)


#: Runs a benchmark; with `quick` fewer cases and shorter, to try the benchmark itself.
Run = Callable[..., Outcome]


def main(name: str, about: str, run: Run) -> None:
    """Run one benchmark as a program: ``--json`` ends with one JSON object, ``--quick`` only tries it."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object with the claims as the last line")
    parser.add_argument("--quick", action="store_true", help="fewer cases and shorter: tries the benchmark, proves nothing")
    told = parser.parse_args()
    outcome = run(quick=told.quick)
    console = Console(width=None if sys.stdout.isatty() else 170)
    for table in (*outcome.tables, table_of(outcome.claims)):
        console.print(table)
    if told.json:
        claims = [claim.document() for claim in outcome.claims]
        print(json.dumps({"benchmark": name, "quick": told.quick, "claims": claims, **outcome.figures}), flush=True)


def table_of(claims: Sequence[Claim], title: str = "Claims") -> Table:
    """Return the claims as a table."""
    table = Table("claim", title=title, title_justify="left")
    for heading in ("value", "goal", "holds"):
        table.add_column(heading, justify="right")
    for claim in claims:
        table.add_row(
            claim.name, f"{claim.value:,.4g}", f"{claim.bound} {claim.goal:,g}", "yes" if claim.holds else "[bold]no[/bold]"
        )
    return table


def say(text: str) -> None:
    """Tell whoever waits what is being done."""
    print(text, file=sys.stderr, flush=True)
