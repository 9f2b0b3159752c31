"""`leadtime forecast`: what a forecast of a user's own series looks like, and whether the controller would use it."""

import asyncio
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import times

if TYPE_CHECKING:
    from autoscaler.history import PrometheusHistory
    from forecasting.series import Cleaning, Series

_STEP_S = 60
_DAY_S = 86_400
_MEDIAN, _HIGHEST = 0.5, 0.99
#: What is told of beside the lead, in buckets: the horizons that the controller's engine keeps.
_LEADS = (1, 5, 10, 30)


def forecast(
    csv: Annotated[
        Path | None, typer.Option(help="Read this CSV file (or .csv.gz), whose header names timestamp_s.", metavar="FILE")
    ] = None,
    column: Annotated[str, typer.Option(help="The CSV file's column with the load.")] = "requests",
    prometheus: Annotated[
        str | None, typer.Option(help="Ask this Prometheus, as in http://prometheus.monitoring:9090.", metavar="URL")
    ] = None,
    query: Annotated[str | None, typer.Option(help="What to ask it: the load, as one series.", metavar="PROMQL")] = None,
    token_file: Annotated[Path | None, typer.Option(help="The bearer token that it wants.", metavar="FILE")] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="The authorities that its certificate is from (PEM).", metavar="FILE")
    ] = None,
    deadline: Annotated[str, typer.Option(help="How long it may take to answer.")] = "20s",
    days: Annotated[float, typer.Option(help="How many days to learn from.", min=0.01, max=60.0)] = 7.0,
    lead: Annotated[str, typer.Option(help="How long a replica takes until it serves.")] = "90s",
    quantile: Annotated[float, typer.Option(help="How probably the load should stay below.", min=_MEDIAN, max=_HIGHEST)] = 0.9,
    step: Annotated[str | None, typer.Option(help="A bucket; by default 60s, or the CSV file's own if that is longer.")] = None,
    at: Annotated[
        str, typer.Option(help="Forecast from this time on; 'now' is the end of a CSV file.", metavar="now|RFC3339|SECONDS")
    ] = "now",
    png: Annotated[
        Path | None, typer.Option(help="Draw the last day and what comes (takes leadtime[plot]).", metavar="FILE")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Forecast a load from a CSV file or Prometheus, and tell what forecasting it would have been worth.

    Exit status: 0 if it is forecast, 1 if Prometheus cannot be read now, 2 if what was given has to be mended.
    """
    if (prometheus is None) != (query is None):
        raise typer.BadParameter("whom to ask and what come together", param_hint="--prometheus, --query")
    if png is not None:
        _require_plot()
    lead_s, deadline_s = _seconds(lead, "--lead"), _seconds(deadline, "--deadline")
    step_s = None if step is None else _step(_seconds(step, "--step"))
    at_s = None if at == "now" else times.at(at, forms="now, RFC 3339 nor Unix seconds")
    from autoscaler import history
    from forecasting.errors import InputError

    try:
        cleaning: Cleaning | None
        if prometheus is not None and query is not None and csv is None:
            origin, cleaning = f"{query} from {prometheus}", None
            past = _prometheus(prometheus, deadline_s, token_file, ca_file)
            load = _asked(past, query, step_s=step_s or _STEP_S, end_s=_not_later(at_s, time.time()), days=days)
        elif csv is not None and prometheus is None:
            origin = f"{column} of {csv}"
            load, cleaning = _filed(csv, column, step_s=step_s, until=at_s, days=days)
        else:
            raise typer.BadParameter("give one of the two", param_hint="--csv, --prometheus")
        print(_told(load, cleaning, origin=origin, lead_s=lead_s, quantile=quantile, png=png, machine=json))
    except history.HistoryError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1 if error.passing else 2) from error
    except (InputError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from error


def _told(
    load: "Series", cleaning: "Cleaning | None", *, origin: str, lead_s: float, quantile: float, png: Path | None, machine: bool
) -> str:
    """Return what is to be printed of *load*, and draw it where that is asked for."""
    from autoscaler.cli import assessment, forecast_words
    from forecasting.errors import InputError

    lead = _buckets(lead_s, load.step_s)
    if sys.stderr.isatty():
        print(f"note: living {len(load)} buckets again, which may take a minute", file=sys.stderr)
    try:
        found = assessment.assess(load, leads=sorted({*_LEADS, lead}), levels=sorted({_MEDIAN, quantile, _HIGHEST}), level=quantile)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from error
    if png is not None:
        from autoscaler.cli import picture

        picture.draw(found, lead=lead, title=origin, file=png)
    told = forecast_words.Told(origin=origin, cleaning=cleaning, lead_s=lead_s, lead=lead, assessment=found)
    return forecast_words.json(told) if machine else "\n".join(forecast_words.text(told))


def _filed(file: Path, column: str, *, step_s: int | None, until: float | None, days: float) -> "tuple[Series, Cleaning]":
    """Return the last *days* of a CSV file."""
    from forecasting import series
    from forecasting.errors import InputError

    try:
        load, cleaning = series.read_csv(file.read_bytes(), column=column, until=until)
        wanted_s = step_s or max(_STEP_S, load.step_s)
        return load.resample(wanted_s).last(math.ceil(days * _DAY_S / wanted_s)), cleaning
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _prometheus(url: str, deadline_s: float, token_file: Path | None, ca_file: Path | None) -> "PrometheusHistory":
    from adapter.sources.credentials import Auth, Tls
    from autoscaler import history

    try:
        return history.PrometheusHistory(
            url, deadline_s=deadline_s, auth=Auth(bearer_token_file=token_file), tls=Tls(ca_file=ca_file)
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prometheus") from error


def _asked(past: "PrometheusHistory", query: str, *, step_s: int, end_s: float, days: float) -> "Series":
    """Return the last *days* of a query, up to the last bucket that has ended."""
    end = int(end_s)

    async def ask() -> "Series":
        try:
            return await past.series(query=query, start_s=end - round(days * _DAY_S), end_s=end, step_s=step_s)
        finally:
            await past.close()

    return asyncio.run(ask())


def _buckets(lead_s: float, step_s: int) -> int:
    """Return a lead time in the buckets that the controller would forecast for it."""
    from autoscaler.anticipate import followed
    from forecasting.forecast import Spec

    if lead_s > _LEADS[-1] * step_s:
        why = f"{lead_s:g} s are more than the {_LEADS[-1]} buckets of {step_s} s that are forecast: give a longer --step"
        raise typer.BadParameter(why, param_hint="--lead")
    return followed.horizon(lead_s, Spec(step_s=step_s))


def _seconds(text: str, option: str) -> float:
    from adapter import schema

    try:
        return schema.duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _step(seconds: float) -> int:
    from forecasting.errors import InputError
    from forecasting.forecast import Spec

    try:
        return Spec(step_s=int(seconds) if seconds.is_integer() else 0).step_s
    except InputError as error:
        raise typer.BadParameter(f"{seconds:g} s does not divide a day: give 15s, 1m, 5m or 10m", param_hint="--step") from error


def _not_later(at: float | None, now: float) -> float:
    if at is not None and at > now:
        raise typer.BadParameter("is yet to come: Prometheus would repeat its last value until then", param_hint="--at")
    return now if at is None else at


def _require_plot() -> None:
    from importlib import util

    if util.find_spec("matplotlib") is None:
        raise typer.BadParameter("takes matplotlib, which is not installed: pip install 'leadtime[plot]'", param_hint="--png")
