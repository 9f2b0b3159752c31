"""`leadtime backtest`: what an InferenceScaler would have done with a load that there was, and what that costs."""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import loads, terminal, times

if TYPE_CHECKING:
    from autoscaler.resource.scaler import Scaler
    from autoscaler.simulation.backtest.conduct import Question
    from autoscaler.simulation.backtest.history import History
    from autoscaler.simulation.backtest.replica import Replica
    from autoscaler.simulation.backtest.runs import Ground, Replicas
    from autoscaler.simulation.backtest.whatif import Setting
    from autoscaler.simulation.world import Startup
    from forecasting.series import Series

_STEP_S = 60
#: Days before those that are run, for the forecaster to learn from.
_PAST_DAYS = 7.0
#: The p50 of a start-up is so much of its p90 where only the latter is told: the shares of the defaults, 45 and 60 s.
_P50_RATIO = 0.75


@dataclass(frozen=True, slots=True)
class _Asked:
    """Where the load comes from."""

    prometheus: str | None
    query: str | None
    replicas_query: str | None
    trace: Path | None
    token_file: Path | None
    ca_file: Path | None
    deadline_s: float
    days: float
    at: float | None


def backtest(
    file: Annotated[Path, typer.Option("--file", "-f", help="The InferenceScaler, or - for standard input.", metavar="FILE")],
    prometheus: Annotated[
        str | None, typer.Option(help="Ask this Prometheus, as in http://prometheus.monitoring:9090.", metavar="URL")
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(help="The load, as one series: in replicas' worth, or in requests with --per-replica.", metavar="PROMQL"),
    ] = None,
    replicas_query: Annotated[
        str | None, typer.Option(help="How many replicas there really were, to compare with.", metavar="PROMQL")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(help="Take the load from this file of requests, or of requests per step.", metavar="FILE")
    ] = None,
    days: Annotated[float, typer.Option(help="How many days to run, the last there are.", min=0.03, max=60.0)] = 7.0,
    per_replica: Annotated[
        float | None, typer.Option(help="Requests per second that one replica takes at its targets.", min=1e-6, max=1e9)
    ] = None,
    startup: Annotated[
        str | None, typer.Option(help="How long nine of ten replicas take to start; the scaler's prior by default.")
    ] = None,
    gpus: Annotated[int, typer.Option(help="GPUs of one replica.", min=1, max=4096)] = 1,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Run it with another value of a field, too.", metavar="warmPool.max=3")
    ] = None,
    guards: Annotated[bool, typer.Option(help="Tell what each guard costs, by leaving it out.")] = True,
    suggestions: Annotated[bool, typer.Option(help="Try a handful of changes.")] = True,
    regret: Annotated[bool, typer.Option(help="Compare with what somebody would have done who knew the load.")] = True,
    seeds: Annotated[int, typer.Option(help="How often each run is made, with other luck.", min=1, max=100)] = 2,
    jobs: Annotated[int | None, typer.Option(help="How many processes; by default as many as there are CPUs.", min=1)] = None,
    at: Annotated[str, typer.Option(help="Prometheus is asked for the time before this.", metavar="now|RFC3339|SECONDS")] = "now",
    token_file: Annotated[Path | None, typer.Option(help="The bearer token that Prometheus wants.", metavar="FILE")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The authorities that its certificate is from (PEM).", metavar="FILE")
    ] = None,
    deadline: Annotated[str, typer.Option(help="How long it may take to answer.")] = "20s",
    png: Annotated[Path | None, typer.Option(help="Draw load and replicas (takes leadtime[plot]).", metavar="FILE")] = None,
    html: Annotated[Path | None, typer.Option(help="Write all of it as one page.", metavar="FILE")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run an InferenceScaler on a load that there was: its replicas, GPU-hours, late requests, and the price of each guard.

    Exit status: 0 if it was run, 1 if Prometheus cannot be read now, 2 if what was given has to be mended.
    """
    if (prometheus is None) == (trace is None):
        raise typer.BadParameter("give one of the two", param_hint="--prometheus, --trace")
    if prometheus is None and (query is not None or replicas_query is not None):
        raise typer.BadParameter("whom to ask and what come together", param_hint="--prometheus, --query, --replicas-query")
    if png is not None:
        loads.require_plot()
    asked = _Asked(
        prometheus=prometheus,
        query=query,
        replicas_query=replicas_query,
        trace=trace,
        token_file=token_file,
        ca_file=ca_file,
        deadline_s=loads.seconds(deadline, "--deadline"),
        days=days,
        at=None if at == "now" else times.at(at, forms="now, RFC 3339 nor Unix seconds"),
    )
    startup_s = None if startup is None else loads.seconds(startup, "--startup")
    from autoscaler import history as asking
    from autoscaler.errors import AutoscalerError
    from autoscaler.simulation.backtest import conduct, replica
    from forecasting.errors import InputError

    document, scaler, changes, other = _read(file, settings or [])
    try:
        model = replica.model(scaler, per_replica_s=per_replica)
        origin, past, really = _history(asked, scaler, model, per_replica)
        question = conduct.Question(
            document=document,
            scaler=scaler,
            replica=model,
            read=_reader(),
            settings=changes,
            other=other,
            really=really,
            price=guards,
            suggest=suggestions,
            plan=regret,
            seeds=seeds,
        )
        what = conduct.ground(
            question, past.rates, startup=_startup(scaler, startup_s), gpus_per_pod=gpus, zones=_zones(scaler, other)
        )
        result = _conducted(question, what, jobs or os.cpu_count() or 1)
        from autoscaler.cli import backtest_words

        told = backtest_words.Told(
            scaler=str(scaler.key), origin=origin, ground=what, question=question, result=result, notes=(*past.notes, *model.notes)
        )
        if html is not None:
            from autoscaler.cli import backtest_page

            html.write_text(backtest_page.page(told), encoding="utf-8")
        if png is not None:
            from autoscaler.cli import backtest_picture

            backtest_picture.draw(told, file=png)
    except asking.HistoryError as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(1 if error.passing else 2) from error
    except (AutoscalerError, InputError, OSError) as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(2) from error
    if json:
        print(backtest_words.json(told))
    else:
        backtest_words.show(told)


# ── what is given ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(file: Path, settings: Sequence[str]) -> "tuple[Mapping[str, Any], Scaler, tuple[Setting, ...], Scaler | None]":
    """Return the InferenceScaler in *file* as it is written and as it is meant, the settings, and what they make of it."""
    from adapter import errors
    from autoscaler.cli import manifests
    from autoscaler.errors import InvalidScalerError
    from autoscaler.resource.scaler import KIND
    from autoscaler.simulation.backtest import whatif

    told, _ = manifests.of_kind(manifests.read(file), KIND)
    if len(told) != 1:
        held = f"holds {len(told)} of them: give a file with one" if told else f"holds no {KIND}"
        raise errors.ConfigError(str(file), [errors.Problem("", held)])
    (document,) = told
    where = str(file)
    try:
        scaler = manifests.scaler(document)
        where = f"--set {' --set '.join(settings)}"
        changes = tuple(map(whatif.parse, settings))
        other = manifests.scaler(whatif.applied(document, changes)) if changes else None
    except InvalidScalerError as error:
        raise errors.ConfigError(where, [errors.Problem(problem.path, problem.message) for problem in error.problems]) from error
    return document, scaler, changes, other


def _reader() -> Any:
    from autoscaler.cli import manifests

    return manifests.scaler


def _startup(scaler: "Scaler", startup_s: float | None) -> "Startup":
    from autoscaler.simulation import world

    prior = scaler.policy.startup
    try:
        if startup_s is None:
            return world.Startup(p50_s=prior.p50_s, p90_s=prior.p90_s)
        return world.Startup(p50_s=startup_s * _P50_RATIO, p90_s=startup_s)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--startup") from error


def _zones(*scalers: "Scaler | None") -> dict[str, Any]:
    import zoneinfo

    return {
        schedule.time_zone: zoneinfo.ZoneInfo(schedule.time_zone)
        for scaler in scalers
        if scaler is not None
        for schedule in scaler.schedules
    }


# ── the load ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _history(
    asked: _Asked, scaler: "Scaler", model: "Replica", per_replica_s: float | None
) -> "tuple[str, History, Replicas | None]":
    """Return where the load is from, the load, and how many replicas there were. Its errors are the user's to mend."""
    if asked.trace is not None:
        return _traced(asked.trace, asked.days, model, per_replica_s)
    return _queried(asked, scaler, model, per_replica_s)


def _traced(trace: Path, days: float, model: "Replica", per_replica_s: float | None) -> "tuple[str, History, Replicas | None]":
    import dataclasses

    from autoscaler.decision.model import Kind
    from autoscaler.simulation import loads as series_of
    from autoscaler.simulation.backtest import history
    from autoscaler.simulation.traces import reading

    if per_replica_s is None and not any(signal.kind is Kind.RATE for signal in model.scaler.policy.signals):
        why = "say how many requests per second one replica takes at its targets: no metric of the scaler does"
        raise typer.BadParameter(why, param_hint="--per-replica")
    workload, found = reading.read(trace)
    per_s = series_of.series(workload, step_s=_STEP_S).last(round((days + _PAST_DAYS) * loads.DAY_S / _STEP_S))
    past = history.prepare(_divided(per_s, model.requests_per_s), name=str(trace), days=days, requests_per_s=model.requests_per_s)
    return str(trace), dataclasses.replace(past, notes=(*(line.strip() for line in found.lines()), *past.notes)), None


def _queried(
    asked: _Asked, scaler: "Scaler", model: "Replica", per_replica_s: float | None
) -> "tuple[str, History, Replicas | None]":
    from autoscaler.anticipate import followed
    from autoscaler.simulation.backtest import history

    query = asked.query or scaler.history_query or followed.default_query(scaler.key, _STEP_S)
    url = asked.prometheus or ""
    past = loads.prometheus(url, asked.deadline_s, asked.token_file, asked.ca_file)
    queries = [query, *([asked.replicas_query] if asked.replicas_query is not None else [])]
    end_s = loads.not_later(asked.at, time.time())
    found = loads.asked(past, *queries, step_s=_STEP_S, end_s=end_s, days=asked.days + _PAST_DAYS)
    told = found[0] if per_replica_s is None else _divided(found[0], per_replica_s)
    origin = f"{query} from {url}"
    prepared = history.prepare(told, name=origin, days=asked.days, requests_per_s=model.requests_per_s)
    return origin, prepared, _replicas(found[1], prepared, asked.replicas_query or "") if len(found) > 1 else None


def _divided(series: "Series", by: float) -> "Series":
    from forecasting.series import Series

    return Series(series.start_s, series.step_s, series.values / by)


def _replicas(series: "Series", past: "History", query: str) -> "Replicas":
    """Return what *series* says of the time that is run."""
    import numpy as np

    from autoscaler.simulation.backtest import history, runs

    begin = (past.rates.start_s - series.start_s) // series.step_s
    counts = series.values[begin : begin + len(past.rates.per_s)]
    if not (~np.isnan(counts)).any():
        raise history.BacktestError(f"{query}: there is no value in it, only gaps: check --replicas-query, or leave it out")
    return runs.Replicas(step_s=series.step_s, counts=counts)


# ── the runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _conducted(question: "Question", ground: "Ground", jobs: int) -> Any:
    """Return the result, with a bar on a terminal while it is made."""
    from rich.console import Console
    from rich.progress import Progress

    from autoscaler.simulation.backtest import conduct, runs

    trials = question.trials
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("running", total=trials)
        with runs.Runner(ground, workers=min(jobs, trials), progress=lambda done: bar.update(task, completed=done)) as runner:
            return conduct.conduct(question, runner, ground.workload.duration_s)
