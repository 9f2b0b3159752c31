"""`leadtime recommend`: which Deployments an InferenceScaler would have been worth it for, before anything is installed."""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from autoscaler.cli import fleet, loads, terminal, times

if TYPE_CHECKING:
    from autoscaler.advice.asking import Asker, Found
    from autoscaler.advice.verdict import Verdict
    from forecasting.series import Series

T = TypeVar("T")


def recommend(
    prometheus: Annotated[str, typer.Option(help="Ask this Prometheus, as in http://prometheus.monitoring:9090.", metavar="URL")],
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Deployments of this namespace only.")] = None,
    days: Annotated[float, typer.Option(help="How many days to judge by, the last there are.", min=0.05, max=60.0)] = 7.0,
    run: Annotated[
        float,
        typer.Option(help="How many of them to run again, the last: some ten seconds each for a Deployment.", min=0.05, max=60.0),
    ] = 1.0,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Have the scaler forecast, from the days before: some minutes for a Deployment.")
    ] = False,
    limit: Annotated[int, typer.Option(help="So many Deployments at most: those with the most GPUs.", min=1, max=200)] = 20,
    points: Annotated[
        int, typer.Option(help="Have Prometheus evaluate so many points altogether; the step is widened to keep to it.", min=1000)
    ] = 250_000,
    target: Annotated[float, typer.Option(help="How busy a GPU is meant to be, in per cent.", min=5.0, max=100.0)] = 70.0,
    jobs: Annotated[int | None, typer.Option(help="How many processes; by default as many as there are CPUs.", min=1)] = None,
    startup: Annotated[str, typer.Option(help="How long nine of ten replicas take to start.")] = "60s",
    at: Annotated[str, typer.Option(help="Prometheus is asked for the time before this.", metavar="now|RFC3339|SECONDS")] = "now",
    token_file: Annotated[Path | None, typer.Option(help="The bearer token that Prometheus wants.", metavar="FILE")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The authorities that its certificate is from (PEM).", metavar="FILE")
    ] = None,
    deadline: Annotated[str, typer.Option(help="How long it may take to answer one query.")] = "20s",
    output: Annotated[
        str, typer.Option("--output", "-o", help="table, wide, json, name, or yaml: the InferenceScalers.")
    ] = "table",
) -> None:
    """Judge each Deployment with GPUs by its past: scaling would have saved GPU-hours, or there were too few.

    Its load is taken from dcgm-exporter's utilisation, and run again with an InferenceScaler and with the replicas that there were.
    Nothing is installed, and nothing but Prometheus is asked: a bounded number of queries and points, told before they are.

    A Prometheus that is busy is left alone for a while, and asked for less where it finds a query too much.

    Exit status: 0 if all was judged, 1 if Prometheus did not answer for some or has no GPUs of Deployments, 2 if what was given is
    wrong.
    """
    fleet.checked(output)
    deadline_s, startup_s = loads.seconds(deadline, "--deadline"), loads.seconds(startup, "--startup")
    end_s = int(loads.not_later(None if at == "now" else times.at(at, forms="now, RFC 3339 nor Unix seconds"), time.time()))
    loads.address(prometheus)
    from adapter.errors import SourceError
    from autoscaler.advice import asking, budget
    from autoscaler.cli import recommend_words
    from autoscaler.errors import AutoscalerError

    try:
        plan = budget.plan(days=days, deployments=limit, points=points)
    except budget.BudgetError as error:
        raise typer.BadParameter(str(error), param_hint="--points") from error
    terminal.complain(
        f"at most {plan.queries} queries and {points:,} points: {days:g} days of up to {limit} Deployments, "
        f"one look every {plan.step_s:g} s or closer; {budget.AGAIN} queries more where one is refused"
    )
    asker = asking.Asker(prometheus, plan, points=points, deadline_s=deadline_s, token_file=token_file, ca_file=ca_file)
    try:
        found = asker.deployments(end_s=end_s, namespace=namespace)
    except (SourceError, AutoscalerError) as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(1) from error
    read, unasked = _past(asker, found, end_s, target)
    terminal.complain(f"asked: {asker.queries} queries, {asker.points:,} points, one look every {asker.step_s} s")
    judged = _judged(read, target, startup_s, min(run, days), forecast=forecast, jobs=jobs or os.cpu_count() or 1)
    told = {one.deployment: one for one in (*judged, *unasked)}
    verdicts = [told[each.name] for each in found]
    if not verdicts:
        terminal.complain(
            "error: it has no GPUs of Deployments: is dcgm-exporter scraped, with the pods' names? `leadtime doctor` tells"
        )
        raise typer.Exit(1)
    recommend_words.show(verdicts, output)
    raise typer.Exit(1 if any(one.unasked for one in verdicts) else 0)


def _past(
    asker: "Asker", found: "Sequence[Found]", end_s: int, target_percent: float
) -> "tuple[list[tuple[Found, Series, Series]], list[Verdict]]":
    """Return load and replicas of each of *found*, and what Prometheus did not tell; once it is gone, nothing more is asked."""
    from adapter.errors import Fault, SourceError
    from autoscaler.advice import questions, verdict
    from autoscaler.advice.asking import SpentError

    read: list[tuple[Found, Series, Series]] = []
    unasked: list[Verdict] = []
    over = ""
    for each in _tracked(found, "asking"):
        if over:
            unasked.append(verdict.unasked(each.name, f"not asked for any more: {over}"))
            continue
        queries = (questions.load(*each.name, target_percent=target_percent), questions.replicas(*each.name))
        try:
            load, replicas = asker.together(queries, end_s=end_s)
        except SpentError as error:
            over = str(error)
            unasked.append(verdict.unasked(each.name, over))
        except SourceError as error:
            over = str(error) if error.fault in (Fault.DOWN, Fault.UNAUTHORIZED, Fault.TLS) else ""
            unasked.append(verdict.unasked(each.name, str(error)))
        else:
            read.append((each, load, replicas))
    return read, unasked


def _judged(
    read: "Sequence[tuple[Found, Series, Series]]",
    target_percent: float,
    startup_s: float,
    run_days: float,
    *,
    forecast: bool,
    jobs: int,
) -> "list[Verdict]":
    """Return the verdicts in the order of what was *read*, made in *jobs* processes."""
    from concurrent import futures
    from functools import partial

    from autoscaler.advice import verdict
    from autoscaler.cli import manifests

    calls = [
        partial(
            verdict.judge,
            found.name,
            load,
            replicas,
            gpus_each=found.gpus_each,
            target_percent=target_percent,
            startup_p90_s=startup_s,
            run_days=run_days,
            forecast=forecast,
            read=manifests.scaler,
        )
        for found, load, replicas in read
    ]
    if min(jobs, len(calls)) <= 1:
        return [call() for call in _tracked(calls, "judging")]
    import multiprocessing

    # Spawned, so that what a process inherits is the same on every platform: nothing.
    with futures.ProcessPoolExecutor(min(jobs, len(calls)), mp_context=multiprocessing.get_context("spawn")) as pool:
        going = [pool.submit(call) for call in calls]
        for _ in _tracked(futures.as_completed(going), "judging", total=len(going)):
            pass
        return [each.result() for each in going]


def _tracked(these: "Iterable[T]", doing: str, total: int | None = None) -> "Iterator[T]":
    """Yield each of *these*, with a bar on a terminal that says how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(these, total=total, description=doing)
