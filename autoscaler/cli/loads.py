"""Where the commands that look at a past load get it from, and the options that they share."""

import asyncio
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from autoscaler.history import PrometheusHistory
    from forecasting.series import Series

DAY_S = 86_400


def address(url: str) -> str:
    """Return *url*, if it can be a Prometheus'."""
    from autoscaler import history

    try:
        return history.address(url)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prometheus") from error


def prometheus(url: str, deadline_s: float, token_file: Path | None, ca_file: Path | None) -> "PrometheusHistory":
    """Return the history behind *url*; what cannot be meant by it is the option's fault."""
    from adapter.sources.credentials import Auth, Tls
    from autoscaler import history

    try:
        return history.PrometheusHistory(
            url, deadline_s=deadline_s, auth=Auth(bearer_token_file=token_file), tls=Tls(ca_file=ca_file)
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--prometheus") from error


def asked(past: "PrometheusHistory", *queries: str, step_s: int, end_s: float, days: float) -> "list[Series]":
    """Return the last *days* of each query, up to the last bucket that has ended. Raises `HistoryError`."""
    end = int(end_s)

    async def ask() -> "list[Series]":
        try:
            return [
                await past.series(query=query, start_s=end - round(days * DAY_S), end_s=end, step_s=step_s) for query in queries
            ]
        finally:
            await past.close()

    return asyncio.run(ask())


def seconds(text: str, option: str) -> float:
    """Return the duration *text* of *option*, such as ``90s``."""
    from adapter import schema

    try:
        return schema.duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def step(told_s: float) -> int:
    """Return the bucket of *told_s* seconds, if there can be such a one."""
    from forecasting.errors import InputError
    from forecasting.forecast import Spec

    try:
        return Spec(step_s=int(told_s) if told_s.is_integer() else 0).step_s
    except InputError as error:
        raise typer.BadParameter(f"{told_s:g} s does not divide a day: give 15s, 1m, 5m or 10m", param_hint="--step") from error


def not_later(at: float | None, now: float) -> float:
    """Return *at*, or *now* where that is not given; refuse what is yet to come."""
    if at is not None and at > now:
        raise typer.BadParameter("is yet to come: Prometheus would repeat its last value until then", param_hint="--at")
    return now if at is None else at


def require_plot() -> None:
    """Refuse to draw without matplotlib, before anything is computed."""
    if util.find_spec("matplotlib") is None:
        raise typer.BadParameter("takes matplotlib, which is not installed: pip install 'leadtime[plot]'", param_hint="--png")
