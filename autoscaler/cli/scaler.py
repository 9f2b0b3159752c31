"""`leadtime scaler`: look at InferenceScalers before a cluster does."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check InferenceScalers.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A file of manifests, or - for standard input.")]) -> None:
    """Report every problem of the InferenceScalers in a file with its path, and exit with status 2 if there is one."""
    from adapter import errors
    from autoscaler.cli import manifests, terminal
    from autoscaler.errors import InvalidScalerError
    from autoscaler.resource.scaler import KIND

    told, _ = manifests.of_kind(manifests.read(file), KIND)
    if not told:
        raise errors.ConfigError(str(file), [errors.Problem("", f"holds no {KIND}")])
    problems: list[errors.Problem] = []
    for document in told:
        name = manifests.name(document)
        try:
            found = manifests.scaler(document)
        except InvalidScalerError as error:
            problems += [errors.Problem(f"{name}: {problem.path}", problem.message) for problem in error.problems]
            continue
        signals = ", ".join(f"{signal.name} ({signal.kind})" for signal in found.policy.signals) or "schedules alone"
        terminal.tell(f"{name}: ok; {found.policy.mode} {found.target} by {signals}")
        for note in found.notes:
            terminal.tell(f"{name}: to look at: {note}")
    if problems:
        raise errors.ConfigError(str(file), problems)
