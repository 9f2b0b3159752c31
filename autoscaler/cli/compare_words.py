"""A comparison in words: tables for a terminal, and one JSON object for programs."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from autoscaler.cli.tables import Whole
from autoscaler.simulation.compare import claims, summary, tuning
from autoscaler.simulation.compare.statistics import Bound

if TYPE_CHECKING:
    from autoscaler.simulation.compare.claims import Claim
    from autoscaler.simulation.compare.ledger import Change
    from autoscaler.simulation.compare.statistics import Estimate, Reading
    from autoscaler.simulation.compare.study import Judged, Plan, Results
    from autoscaler.simulation.compare.summary import Line
    from autoscaler.simulation.outcome import Outcome


def plan(wanted: "Plan", workers: int) -> Iterator[str]:
    """Yield what will be run, before it is."""
    cases, families = wanted.cases, wanted.families
    total = wanted.tuning_runs + wanted.judging_runs
    yield f"{len(cases)} traces × {len(families)} policies: {total:,} simulated runs in {workers} processes"
    yield (
        f"  tuning: {wanted.tuning_runs:,} runs, {wanted.budget.configurations} configurations for each policy that has knobs,"
        f" at {len(tuning.LEVELS)} levels of tightness, on the first part"
    )
    few = min(wanted.seeds, wanted.other_seeds)
    yield f"  judging: {wanted.judging_runs:,} runs on the last part, {wanted.seeds} seeds where claims are made, {few} elsewhere"
    for case in cases:
        yield f"  {case.name}: {case.shape}, {case.test.duration_s / 3600:.1f} h; {case.note}"


def traces(results: "Results") -> Iterator[Whole | str]:
    """Yield a table for each trace, and beneath it who wins and who loses."""
    for judged in results.judged:
        yield _trace(judged)
        yield from (f"  {verdict}" for verdict in summary.verdicts(judged))


def _trace(judged: "Judged") -> Whole:
    table = Table("policy", title=f"{judged.case.name} ({judged.case.shape}), {summary.LABEL}", title_justify="left")
    for heading in (
        "in time",
        "late",
        "failed",
        "GPU-h",
        "less than hpa tuned",
        f"GPU-h for {summary.IN_TIME}",
        "over optimum",
        "busy",
        "starts",
        "reversals",
    ):
        table.add_column(heading, justify="right")
    for line in summary.lines(judged):
        table.add_row(
            line.name,
            f"{line.attainment_ratio:.2%}",
            f"{line.late:,.0f}",
            f"{line.failed:,.0f}",
            f"{line.gpu_hours:,.1f}",
            _less(line.less_than_hpa),
            _reading(line.at_limit),
            "" if line.over_optimum is None else f"{line.over_optimum:+.0%}",
            f"{line.utilization_ratio:.0%}",
            f"{line.starts:,.0f}",
            f"{line.reversals:,.0f}",
            style="bold" if line.name == claims.OURS_TUNED else None,
        )
    return Whole(table)


def claimed(told: Sequence["Claim"]) -> Whole:
    """Return the claims as a table."""
    table = Table("claim", title=f"Claims, {summary.LABEL}", title_justify="left")
    for heading in ("value", "95 % interval", "goal", "holds"):
        table.add_column(heading, justify="right")
    table.add_column("on", overflow="fold")
    for claim in told:
        interval = "" if claim.interval is None else f"{claim.interval.low:.1%} to {claim.interval.high:.1%}"
        table.add_row(
            claim.name,
            "not known" if claim.value is None else f"{claim.value:.1%}",
            interval,
            "" if claim.goal is None else f"{claim.bound} {claim.goal:.0%}",
            "" if claim.holds is None else "yes" if claim.holds else Text("no", style="bold"),
            claim.note,
        )
    return Whole(table)


def document(results: "Results", told: Sequence["Claim"], *, quick: bool) -> str:
    """Return it all as one line of JSON."""
    wanted = results.plan
    return json.dumps(
        {
            "command": "compare",
            "simulation": True,
            "quick": quick,
            "seeds": wanted.seeds,
            "other_seeds": min(wanted.seeds, wanted.other_seeds),
            "configurations": wanted.budget.configurations,
            "claims": [claim.document() for claim in told],
            "traces": [_document(judged) for judged in results.judged],
        },
        allow_nan=False,
        ensure_ascii=False,
    )


def _document(judged: "Judged") -> dict[str, Any]:
    case = judged.case
    return {
        "name": case.name,
        "kind": str(case.shape),
        "judged_s": case.test.duration_s,
        "factor": case.factor,
        "carried_per_s": case.carried_per_s,
        "policies": [_line(line) for line in summary.lines(judged)],
        "verdicts": [
            {"against": verdict.theirs, "result": str(verdict.result), "why": verdict.why} for verdict in summary.verdicts(judged)
        ],
    }


def _line(line: "Line") -> dict[str, Any]:
    return {
        "name": line.name,
        "settings": dict(line.settings),
        "seeds": line.seeds,
        "attainment_ratio": line.attainment_ratio,
        "late": line.late,
        "failed": line.failed,
        "gpu_hours": line.gpu_hours,
        "gpu_hours_at_attainment": line.at_limit.value if line.at_limit.known else None,
        "gpu_hours_at_attainment_is": str(line.at_limit.bound),
        "over_optimum_ratio": line.over_optimum,
        "utilization_ratio": line.utilization_ratio,
        "starts": line.starts,
        "reversals": line.reversals,
        "first_token_p99_s": None if math.isnan(line.first_token_p99_s) else line.first_token_p99_s,
    }


def one(outcome: "Outcome", changes: Sequence["Change"], settings: dict[str, Any]) -> Iterator[Whole | str]:
    """Yield a single run: its settings, its changes and what came of it."""
    yield "settings: " + ", ".join(f"{knob} {value}" for knob, value in settings.items())
    table = Table("at", title=f"{len(changes)} changes, {summary.LABEL}", title_justify="left")
    table.add_column("replicas", justify="right")
    table.add_column("got requests", justify="right")
    table.add_column("why", overflow="fold")
    for change in changes:
        table.add_row(_clock(change.at_s), f"{change.before} → {change.after}", str(change.routed), change.why)
    yield Whole(table)
    yield (
        f"{outcome.attainment_ratio:.2%} of {outcome.requests:,.0f} requests in time, {outcome.late:,.0f} late,"
        f" {outcome.failed:,.0f} failed; {outcome.gpu_hours:.1f} GPU-hours, {outcome.utilization_ratio:.0%} busy;"
        f" {outcome.starts} starts, {outcome.reversals} reversals"
    )


def _clock(at_s: float) -> str:
    hours, rest = divmod(at_s, 3600.0)
    return f"{hours:.0f}:{rest // 60:02.0f}:{rest % 60:04.1f}"


def _less(estimate: "Estimate | None") -> str:
    if estimate is None:
        return ""
    if estimate.interval is None:
        return f"{estimate.value:+.1f}"
    return f"{estimate.value:+.1f} ({estimate.interval.low:+.1f} to {estimate.interval.high:+.1f})"


def _reading(reading: "Reading") -> str:
    if not reading.known:
        return "not reached"
    return f"{'≤ ' if reading.bound is Bound.AT_MOST else ''}{reading.value:,.1f}"
