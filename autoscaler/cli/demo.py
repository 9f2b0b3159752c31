"""`leadtime demo`: the closed loop on an embedded cluster."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    seconds: Annotated[float, typer.Option(help="About how long to run.", min=60.0, max=600.0)] = 90.0,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of a live screen.")] = False,
    record: Annotated[
        Path | None, typer.Option(help="Keep every decision in this file, for `leadtime replay`.", metavar="FILE")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the web page's address, and do not open it.")] = False,
) -> None:
    """Watch both daemons follow a load on a simulated GPU fleet: a ramp, a burst, silence down to zero, and the way back.

    The burst comes every day at this time: its pods are ready before it. Needs nothing but this. Exit status 1: the loop did not do
    its job.
    """
    from autoscaler.sandbox import demo as show

    raise typer.Exit(show.run(duration_s=seconds, plain=plain, record=record, browser=not no_browser))
