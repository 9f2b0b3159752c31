"""`leadtime status`: every scaler on one screen, or one of them closely; with -w as it goes."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import fleet, names, reach, terminal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from adapter.kube.client import Kube


def status(
    name: Annotated[
        str | None,
        typer.Argument(help="One InferenceScaler: NAME or NAMESPACE/NAME; all of them without.", autocompletion=names.scalers),
    ] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Those of this namespace only.")] = None,
    every_namespace: fleet.AllNamespaces = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show what changes, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(help="With --watch: seconds between two looks.", min=0.2, max=3600.0)] = 2.0,
    output: Annotated[str, typer.Option("--output", "-o", help="table, wide, json, yaml or name.")] = "table",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Show what is scaled, to how many, and why; of one scaler also its conditions and its last decisions.

    Exit status: 0 if all that is shown are ready, 1 if one is not, or the cluster cannot be read.
    """
    fleet.checked(output)
    if watch and output not in {"table", "wide"}:
        raise typer.BadParameter("a screen that stays is a table: leave out --watch or --output", param_hint="--watch")
    fleet.one_of(namespace, every_namespace=every_namespace)
    asked = _Asked(*fleet.which(name, namespace, kubeconfig, kube_context), output)
    if watch:
        reach.connected(lambda kube: _stay(kube, asked, every), kubeconfig, kube_context)
        return
    documents = reach.connected(lambda kube: fleet.read(kube, asked.namespace, asked.name), kubeconfig, kube_context)
    if output in {"table", "wide"}:
        terminal.show(_screen(documents, asked))
    else:
        fleet.printed(documents, output, single=asked.name is not None)
    from autoscaler import fleetview

    raise typer.Exit(0 if all(fleetview.row(each, now=time.time()).ready for each in documents) else 1)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be shown, and how: of one scaler, of a namespace, or of all."""

    namespace: str | None
    name: str | None
    output: str


def _screen(documents: list[fleet.Document], asked: _Asked) -> "RenderableType":
    from autoscaler.cli import status_words

    now = time.time()
    if asked.name is not None:
        return status_words.closely(documents[0], now=now)
    return status_words.table(documents, now=now, wide=asked.output == "wide")


async def _stay(kube: "Kube", asked: _Asked, every: float) -> None:
    """Show the screen until it is interrupted. While the cluster cannot be read, the last screen stays, and says so.

    Where there is no terminal, what differs from the last screen is printed after it.
    """
    from adapter.errors import ApiServerError

    console = terminal.console()
    documents: list[fleet.Document] | None = None
    with _shown(console) as show:
        try:
            while True:
                failed = ""
                try:
                    documents = await fleet.read(kube, asked.namespace, asked.name)
                except ApiServerError as error:
                    failed = f"cannot be read now: {error}"
                show(_stays(console, documents, asked, failed))
                await asyncio.sleep(every)
        except asyncio.CancelledError:
            return  # Ctrl-C is how it is left


def _stays(console: "Console", documents: list[fleet.Document] | None, asked: _Asked, failed: str) -> "RenderableType":
    """Return the screen, and above it why the cluster could not be read; the fleet is no longer than the terminal."""
    from rich.console import Group
    from rich.text import Text

    from autoscaler.cli import status_words, tables

    head = [tables.cell(failed, style="red")] if failed else []
    if documents is None:
        return Group(*head, Text("…"))
    if asked.name is not None or not terminal.there():
        return Group(*head, _screen(documents, asked))
    lines = console.height - sum(len(console.render_lines(each)) for each in head)
    narrower = "" if asked.namespace else "-n NAMESPACE"
    return Group(*head, status_words.live(documents, now=time.time(), wide=asked.output == "wide", lines=lines, narrower=narrower))


@contextlib.contextmanager
def _shown(console: "Console") -> "Iterator[Callable[[RenderableType], None]]":
    """Yield what shows a screen: in the place of the last one on a terminal, and after it anywhere else."""
    if terminal.there():
        from rich.live import Live

        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda screen: live.update(screen, refresh=True)
        return
    last = ""

    def printed(screen: "RenderableType") -> None:
        nonlocal last
        with console.capture() as captured:
            console.print(screen, crop=False)
        if captured.get() != last:
            last = captured.get()
            print(last, flush=True)

    yield printed
