"""`leadtime demo`: the adapter at work on an embedded cluster."""

from typing import Annotated

import typer


def demo(
    seconds: Annotated[float, typer.Option(help="How long to run.", min=10.0)] = 60.0,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of a live table.")] = False,
) -> None:
    """Watch GPU and queue metrics as HPA reads them, while the load on a simulated GPU fleet changes. Needs nothing but this."""
    from autoscaler.sandbox import demo as show

    raise typer.Exit(show.run(duration_s=seconds, plain=plain))
