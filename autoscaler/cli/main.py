"""The `leadtime` command: puts the commands together and turns the errors that a user can act on into exit statuses.

Exit statuses: 0 done, 1 it did not work out (the message says why), 2 the command or a file it was given is wrong.
"""

import sys
from importlib import metadata
from typing import Annotated

import typer

from autoscaler.cli import adapter as adapter_command
from autoscaler.cli import autoscaler as autoscaler_command
from autoscaler.cli import (
    backtest,
    boost,
    compare,
    demo,
    doctor,
    explain,
    forecast,
    importing,
    pausing,
    recommend,
    replay,
    terminal,
    top,
)
from autoscaler.cli import scaler as scaler_command
from autoscaler.cli import status as status_command

app = typer.Typer(
    name="leadtime",
    help="Autoscaling for GPU inference on Kubernetes, one start-up lead time ahead of the load.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(adapter_command.app, name="adapter")
app.add_typer(autoscaler_command.app, name="autoscaler")
app.add_typer(explain.app, name="explain")
app.add_typer(importing.app, name="import")
app.add_typer(scaler_command.app, name="scaler")
app.command("backtest")(backtest.backtest)
app.command("boost")(boost.boost)
app.command("compare")(compare.compare)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("forecast")(forecast.forecast)
app.command("pause")(pausing.pause)
app.command("recommend")(recommend.recommend)
app.command("replay")(replay.replay)
app.command("resume")(pausing.resume)
app.command("status")(status_command.status)
app.command("top")(top.top)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"leadtime {metadata.version('leadtime')}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def plugin() -> None:
    """Run the command line as kubectl's plug-in: help and errors call it `kubectl leadtime`."""
    run("kubectl leadtime")


def run(name: str = "leadtime") -> None:
    """Run the command line as *name*; errors that are the user's to mend are one line on standard error, without a traceback."""
    from adapter.errors import ApiServerError, ConfigError

    try:
        app(prog_name=name)
    except ConfigError as error:
        terminal.complain(f"error: {error.file}", *(f"  {problem}" for problem in error.problems))
        sys.exit(2)
    except ApiServerError as error:
        terminal.complain(f"error: {error}")  # the words may be anybody's whose API is aggregated
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
