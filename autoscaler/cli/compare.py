"""`leadtime compare`: our policy against others and against the best there could be, on the same loads, by simulation."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import loads, terminal

if TYPE_CHECKING:
    from autoscaler.simulation.compare.claims import Claim
    from autoscaler.simulation.compare.study import Plan, Progress, Results
    from autoscaler.simulation.workload import Workload
    from autoscaler.simulation.world import World

_HOUR_S = 3600
_STEP_S = 60
#: The p50 of a start-up is so much of its p90: the shares of the defaults, 45 and 60 s.
_P50_RATIO = 0.75
#: A made load is judged from this hour of its second day on, before its busiest: days peak in the afternoon.
_FROM_HOUR = 8
#: The mean of a made load, as a share of its peak; it is scaled to its peak afterwards.
_MEAN_RATIO = 0.4
#: So many times the pods of the peak may be asked for.
_MOST_RATIO = 2.5
#: Logs that last longer are served by the minute: one by one their requests would take days.
_LONGEST_LOG_S = 2 * _HOUR_S
_QUICK_KINDS = ("daily", "bursty")
#: How often it is told how far it is, where there is no terminal.
_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class _Effort:
    """How much is run."""

    seeds: int
    other_seeds: int
    tuning: int
    hours: float
    past_days: int
    ablations: bool

    @staticmethod
    def of(seeds: int, tuning: int, hours: float, *, quick: bool) -> "_Effort":
        """Return what is asked for, or no more than a try."""
        if quick:
            return _Effort(seeds=min(seeds, 3), other_seeds=1, tuning=1, hours=min(hours, 1.0), past_days=0, ablations=False)
        return _Effort(seeds=seeds, other_seeds=3, tuning=tuning, hours=hours, past_days=6, ablations=True)


def compare(
    trace: Annotated[
        list[Path] | None, typer.Option(help="Compare on this file of requests, or of requests per step.", metavar="FILE")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Compare on a load that is made; every kind, without --trace.", metavar="NAME")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option(help="Compare these policies only; what needs others cannot be said.", metavar="NAME")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How often each run behind a claim is made, with other luck.", min=1, max=1000)] = 20,
    tuning: Annotated[
        int, typer.Option(help="How many configurations of each policy are tried, at four levels of tightness.", min=1, max=1000)
    ] = 8,
    startup: Annotated[str, typer.Option(help="How long nine of ten pods take to start.")] = "60s",
    hours: Annotated[float, typer.Option(help="How long the part is that is judged, the last of each trace.", min=0.5)] = 6.0,
    pods: Annotated[float, typer.Option(help="How many pods the peak takes: loads are scaled to it.", min=1.0, max=200.0)] = 16.0,
    workers: Annotated[int | None, typer.Option(help="How many processes; by default as many as there are CPUs.", min=1)] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Only try it, in minutes: it proves nothing.")] = False,
    one: Annotated[
        tuple[str, str, int] | None,
        typer.Option(
            help="Make one run again and tell its changes, such as --one bursty 'hpa tuned' 0.", metavar="TRACE POLICY SEED"
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a report as one page.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", help="End with one JSON object, on a line.")] = False,
) -> None:
    """Compare autoscalers on the same loads: tuned on an earlier part of each trace, judged on its last, paired by seeds.

    Needs nothing: without traces, loads are made. All results are those of a simulation. Exit status: 0 if it was run, 2 if what
    was given has to be mended.
    """
    startup_s = loads.seconds(startup, "--startup")
    effort = _Effort.of(seeds, tuning, hours, quick=quick)
    processes = workers or os.cpu_count() or 1
    from autoscaler.errors import AutoscalerError

    try:
        kinds = kind or ([] if trace else list(_QUICK_KINDS) if quick else None)
        world = _world(startup_s, pods)
        found = [*map(_from_file, trace or ()), *_made(kinds, effort, world, pods)]
        wanted = _plan(found, effort, policy or [], world, pods)
        if one is not None:
            _tell_one(wanted, one, processes)
            return
        results, told = _run(wanted, processes)
        if html is not None:
            from autoscaler.simulation.compare import report

            html.write_text(report.page(results, told), encoding="utf-8")
    except (AutoscalerError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    from autoscaler.cli import compare_words

    terminal.show(*compare_words.traces(results), compare_words.claimed(told))
    if html is not None:
        terminal.show(f"the report is {html}")
    if json:
        print(compare_words.document(results, told, quick=quick), flush=True)


def _world(startup_s: float, pods: float) -> "World":
    from autoscaler.simulation.world import Startup, World

    try:
        startup = Startup(p50_s=_P50_RATIO * startup_s, p90_s=startup_s)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--startup") from error
    return World(startup=startup, max_replicas=round(_MOST_RATIO * pods))


def _from_file(file: Path) -> "Workload":
    """Return the load of a file, and say what was found there."""
    from autoscaler.simulation.traces import reading, scaling
    from autoscaler.simulation.workload import Requests

    workload, found = reading.read(file)
    print(*found.lines(), sep="\n", file=sys.stderr)
    if isinstance(workload, Requests) and workload.duration_s > _LONGEST_LOG_S:
        print(f"  served by the minute: it lasts more than {_LONGEST_LOG_S / _HOUR_S:g} h", file=sys.stderr)
        return scaling.to_rates(workload, _STEP_S, start_s=int(found.begins_at_s) // _STEP_S * _STEP_S)
    return workload


def _made(names: Sequence[str] | None, effort: _Effort, world: "World", pods: float) -> Iterator["Workload"]:
    """Yield a load of each kind that is named, of all of them for None."""
    from autoscaler.simulation import generate
    from autoscaler.simulation.shapes import Kind

    unknown = [name for name in names or () if name not in set(Kind)]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: the kinds are {', '.join(Kind)}", param_hint="--kind")
    carried = _carried_per_s(world, generate.PROMPTS.mean_tokens, generate.OUTPUTS.mean_tokens)
    part_s = round(effort.hours * _HOUR_S) // _STEP_S * _STEP_S
    for each in Kind if names is None else map(Kind, names):
        yield generate.rates(
            each,
            seed=0,
            mean_per_s=_MEAN_RATIO * pods * carried,
            duration_s=(24 * _HOUR_S if effort.past_days else part_s) + part_s,
            past_s=effort.past_days * 24 * _HOUR_S,
            start_s=generate.MONDAY_S + _FROM_HOUR * _HOUR_S,
        )


def _carried_per_s(world: "World", prompt_tokens: float, output_tokens: float) -> float:
    from autoscaler.simulation.serving import capacity
    from autoscaler.simulation.workload import WorkloadError

    carried = capacity.per_pod_per_s(world.engine, world.slo, prompt_tokens, output_tokens)
    if not carried:
        raise WorkloadError(
            f"requests of {prompt_tokens:.0f} and answers of {output_tokens:.0f} tokens on average are late even alone on a GPU of"
            " the model: compare on shorter ones"
        )
    return carried


def _plan(found: Sequence["Workload"], effort: _Effort, names: Sequence[str], world: "World", pods: float) -> "Plan":
    from autoscaler.simulation.compare import cases, claims, families
    from autoscaler.simulation.compare.cases import Preparation
    from autoscaler.simulation.compare.study import Plan
    from autoscaler.simulation.compare.tuning import Budget
    from autoscaler.simulation.workload import WorkloadError

    called = [each.name for each in found]
    twice = sorted({name for name in called if called.count(name) > 1})
    if twice:
        raise WorkloadError(f"two traces are called {', '.join(twice)}: give one of them another name")
    how = Preparation(test_s=effort.hours * _HOUR_S, peak_pods=pods)
    chosen = families.chosen(names)
    return Plan(
        cases=tuple(
            cases.prepare(each, world, _carried_per_s(world, each.mean_prompt_tokens, each.mean_output_tokens), how)
            for each in found
        ),
        families=tuple(family for family in chosen if effort.ablations or names or family.ablates is None),
        budget=Budget(configurations=effort.tuning),
        seeds=effort.seeds,
        headline=claims.HEADLINE,
        other_seeds=effort.other_seeds,
        drawn=claims.HEADLINE,
    )


def _run(wanted: "Plan", workers: int) -> "tuple[Results, list[Claim]]":
    from autoscaler.cli import compare_words
    from autoscaler.simulation import fleet
    from autoscaler.simulation.compare import claims, study

    terminal.show(*compare_words.plan(wanted, workers))
    with _progress() as tell:
        results = study.conduct(wanted, fleet.simulate, workers=workers, progress=tell)
    return results, claims.of(results)


@contextmanager
def _progress() -> Iterator["Progress"]:
    """Show on standard error how far it is: as bars on a terminal, now and then as a line elsewhere."""
    if not sys.stderr.isatty():
        yield _tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, console=Console(stderr=True)) as bars:

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        yield tell


def _tell(what: str, done: int, total: int) -> None:
    if done == total or done % -(-total // _TOLD) == 0:
        print(f"{what}: {done} of {total}", file=sys.stderr, flush=True)


def _tell_one(wanted: "Plan", one: tuple[str, str, int], workers: int) -> None:
    """Make one run of the comparison again: with the settings that its tuning finds, where it is of a tuned policy."""
    from autoscaler.cli import compare_words
    from autoscaler.simulation import fleet
    from autoscaler.simulation.compare import ledger, study

    trace, name, seed = one
    with _progress() as tell:
        case, entry = study.single(wanted, trace, name, fleet.simulate, workers=workers, progress=tell)
    outcome, changes = ledger.told(case, entry, seed, fleet.simulate)
    terminal.show(f"{entry.name} on {case.name}, seed {seed}")
    terminal.show(*compare_words.one(outcome, changes, entry.at_level))
