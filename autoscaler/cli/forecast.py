"""`leadtime forecast`: what a forecast of a user's own series looks like, and whether the controller would use it."""

import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import loads, terminal, times

if TYPE_CHECKING:
    from forecasting.series import Cleaning, Series

_STEP_S = 60
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
        loads.require_plot()
    lead_s, deadline_s = loads.seconds(lead, "--lead"), loads.seconds(deadline, "--deadline")
    step_s = None if step is None else loads.step(loads.seconds(step, "--step"))
    at_s = None if at == "now" else times.at(at, forms="now, RFC 3339 nor Unix seconds")
    from autoscaler import history
    from forecasting.errors import InputError

    try:
        cleaning: Cleaning | None
        if prometheus is not None and query is not None and csv is None:
            origin, cleaning = f"{query} from {prometheus}", None
            past = loads.prometheus(prometheus, deadline_s, token_file, ca_file)
            (load,) = loads.asked(past, query, step_s=step_s or _STEP_S, end_s=loads.not_later(at_s, time.time()), days=days)
        elif csv is not None and prometheus is None:
            origin = f"{column} of {csv}"
            load, cleaning = _filed(csv, column, step_s=step_s, until=at_s, days=days)
        else:
            raise typer.BadParameter("give one of the two", param_hint="--csv, --prometheus")
        print(_told(load, cleaning, origin=origin, lead_s=lead_s, quantile=quantile, png=png, machine=json))
    except history.HistoryError as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(1 if error.passing else 2) from error
    except (InputError, OSError) as error:
        terminal.complain(f"error: {error}")
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
        return load.resample(wanted_s).last(math.ceil(days * loads.DAY_S / wanted_s)), cleaning
    except InputError as error:
        raise InputError(f"{file}: {error}") from error


def _buckets(lead_s: float, step_s: int) -> int:
    """Return a lead time in the buckets that the controller would forecast for it."""
    from autoscaler.anticipate import followed
    from forecasting.forecast import Spec

    if lead_s > _LEADS[-1] * step_s:
        why = f"{lead_s:g} s are more than the {_LEADS[-1]} buckets of {step_s} s that are forecast: give a longer --step"
        raise typer.BadParameter(why, param_hint="--lead")
    return followed.horizon(lead_s, Spec(step_s=step_s))
