"""A backtest in words for people, and as JSON for programs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from rich import box
from rich.table import Table

from adapter.snapshot import rfc3339
from autoscaler.cli import terminal
from autoscaler.cli.tables import Whole
from autoscaler.simulation.backtest import conduct
from autoscaler.simulation.backtest.conduct import Question, Ran, Result
from autoscaler.simulation.backtest.figures import Difference, Figures
from autoscaler.simulation.backtest.runs import Ground

COLUMNS = ("GPU-hours", "late", "failed", "in time", "starts", "changes", "reversals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Everything there is to tell."""

    scaler: str
    origin: str
    ground: Ground
    question: Question
    result: Result
    notes: tuple[str, ...]

    @property
    def span(self) -> tuple[int, float]:
        """When it began, in Unix seconds, and how long it was."""
        return self.ground.workload.start_s, self.ground.workload.duration_s

    @property
    def headline(self) -> str:
        """Which scaler, on what, and when."""
        start_s, duration_s = self.span
        return f"{self.scaler} on {self.origin}, {rfc3339(start_s)} to {rfc3339(start_s + duration_s)}"

    def rows(self) -> Iterator[tuple[str, Ran]]:
        """Yield the runs that are drawn and compared, and what they are called."""
        yield "as it is", self.result.base
        if self.result.other is not None:
            yield "with " + ", ".join(map(str, self.result.settings)), self.result.other
        if self.result.really is not None:
            yield "what really ran", self.result.really
        if self.result.clairvoyant is not None:
            yield "clairvoyant", self.result.clairvoyant


def show(told: Told) -> None:
    """Print it as tables. Prose is not wrapped: whoever reads it may search it."""
    print(told.headline)
    print(*(f"  {note}" for note in told.notes), sep="\n")
    print()
    terminal.show(Whole(_runs(told)))
    if told.result.regret_ratio is not None:
        print(f"{regret(told)}\n")
    for table in _guards(told.result):
        terminal.show(Whole(table))
    for line in suggestions(told.result):
        print(line)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="", box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, justify="right" if at else "left", overflow="ellipsis" if at else "fold")
    return table


def _runs(told: Told) -> Table:
    table = _table("What it comes to", "", *COLUMNS)
    for name, ran in told.rows():
        table.add_row(name, *row(ran.figures))
    return table


def row(figures: Figures) -> list[str]:
    """Return what `COLUMNS` have of *figures*."""
    return [
        f"{figures.gpu_hours:,.1f}",
        f"{figures.late:,.0f}",
        f"{figures.failed:,.0f}",
        f"{1.0 - figures.missed_ratio:.3%}",
        f"{figures.starts:,.0f}",
        f"{figures.changes:,.0f}",
        f"{figures.reversals:,.0f}",
    ]


def _guards(result: Result) -> Iterator[Table]:
    if not result.prices:
        return
    table = _table("Each guard left out, and what that changes", "without", "GPU-hours", "", "late or failed", "", "starts")
    for price in result.prices:
        table.add_row(price.guard.name, *changed(price.figures, price.without), f"{price.figures.starts:,.0f}")
    yield table


def changed(figures: Figures, difference: Difference) -> tuple[str, str, str, str]:
    """Return GPU-hours, by how much they are more, requests that were late or failed, and how many more they are."""
    return (
        f"{figures.gpu_hours:,.1f}",
        f"{difference.gpu_ratio:+.1%}",
        f"{figures.missed:,.0f}",
        f"{difference.missed:+,.0f}",
    )


def regret(told: Told) -> str:
    """Return what the regret is, and at which price of a late request."""
    missed_gpu_s = conduct.prices_of(told.question.replica).missed_gpu_s
    return (
        f"Regret {told.result.regret_ratio:.1%}: it cost so much more than what somebody would have done who knew the load,"
        f" with a late or failed request at {missed_gpu_s:.3g} GPU-seconds."
    )


def suggestions(result: Result) -> Iterator[str]:
    """Yield what is suggested, with its evidence, or that nothing is."""
    if result.tried is None:
        return
    if not result.suggestions:
        yield f"Of {result.tried} changes that were tried, none is better in GPU-hours or late requests and no worse in the other."
        return
    yield f"Of {result.tried} changes that were tried, better in one and not worse in the other, with each seed that was run:"
    base = result.base.figures
    for one in result.suggestions:
        yield (
            f"  --set '{one.setting}': GPU-hours {base.gpu_hours:,.1f} → {one.figures.gpu_hours:,.1f} "
            f"({one.difference.gpu_ratio:+.1%}), late or failed {base.missed:,.0f} → {one.figures.missed:,.0f}"
        )


# ── for programs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def json(told: Told) -> str:
    """Return it as one JSON object."""
    result, ground = told.result, told.ground
    start_s, duration_s = told.span
    document: dict[str, Any] = {
        "scaler": told.scaler,
        "origin": told.origin,
        "start_s": start_s,
        "duration_s": duration_s,
        "seeds": told.question.seeds,
        "replica": {
            "requests_per_s": told.question.replica.requests_per_s,
            "startup_p50_s": ground.world.startup.p50_s,
            "startup_p90_s": ground.world.startup.p90_s,
            "gpus": ground.world.gpus_per_pod,
        },
        "notes": told.notes,
        "base": _figures(result.base.figures),
        "what_if": None,
        "really": None,
        "clairvoyant": None if result.clairvoyant is None else _figures(result.clairvoyant.figures),
        "regret_ratio": result.regret_ratio,
        "guards": [
            {
                "without": price.guard.name,
                "field": price.guard.field,
                **_figures(price.figures),
                "difference": _difference(price.without),
            }
            for price in result.prices
        ],
        "tried": result.tried,
        "suggestions": [
            {"set": str(one.setting), **_figures(one.figures), "difference": _difference(one.difference)}
            for one in result.suggestions
        ],
        "timeline": _timelines(told),
    }
    if result.other is not None and result.otherwise is not None:
        document["what_if"] = {
            "set": list(map(str, result.settings)),
            **_figures(result.other.figures),
            "difference": _difference(result.otherwise),
        }
    if result.really is not None and result.over_really is not None:
        document["really"] = {**_figures(result.really.figures), "base_difference": _difference(result.over_really)}
    return msgspec.json.encode(document).decode()


def _figures(figures: Figures) -> dict[str, float]:
    return {
        "gpu_hours": figures.gpu_hours,
        "requests": figures.requests,
        "late_requests": figures.late,
        "failed_requests": figures.failed,
        "attainment_ratio": 1.0 - figures.missed_ratio,
        "starts": figures.starts,
        "changes": figures.changes,
        "reversals": figures.reversals,
        "utilization_ratio": figures.utilization_ratio,
    }


def _difference(difference: Difference) -> dict[str, float | bool]:
    return {
        "gpu_hours": difference.gpu_hours,
        "gpu_ratio": difference.gpu_ratio,
        "missed_requests": difference.missed,
        "missed_ratio": difference.missed_ratio,
        "worse": difference.worse,
        "better": difference.better,
    }


def _timelines(told: Told) -> dict[str, Any]:
    """Return what was there at each step of the first seed's runs; *load* is in replicas' worth."""
    names = {"as it is": "base", "what really ran": "really", "clairvoyant": "clairvoyant"}
    found: dict[str, Any] = {}
    for name, ran in told.rows():
        if ran.timeline is None:
            continue
        found.setdefault("step_s", ran.timeline.step_s)
        found.setdefault("load", (ran.timeline.load_per_s / told.question.replica.requests_per_s).tolist())
        found[names.get(name, "what_if")] = {
            "wanted": ran.timeline.wanted.tolist(),
            "serving": ran.timeline.serving.tolist(),
            "warm": ran.timeline.warm.tolist(),
            "missed": ran.timeline.unhappy.tolist(),
        }
    return found
