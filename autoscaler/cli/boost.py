"""`leadtime boost`: more replicas for a while, ended by the controller's clock and not by whoever asked."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from autoscaler.cli import loads, reach, terminal
from autoscaler.cli.pausing import Name

if TYPE_CHECKING:
    from adapter.kube.client import Kube
    from autoscaler.fleetview import Row

_LONGEST_S = 86_400.0
_SHORTEST_S = 60.0
_MOST_REPLICAS = 100_000


def boost(
    name: Name,
    duration: Annotated[str | None, typer.Option("--for", help="How long, as in 30m or 2h; at most a day.")] = None,
    least: Annotated[
        int | None,
        typer.Option(
            "--min",
            help="At least so many replicas; by default as many as the boost that is in force, or twice what serves now.",
            min=1,
            max=_MOST_REPLICAS,
        ),
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End the one that is in force.")] = False,
    namespace: reach.Namespace = None,
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Keep at least so many replicas until a time, within maxReplicas; then the load alone decides again.

    It is written on the object as an annotation with its end. The controller heeds the end by its own clock: nothing has to be
    undone, and nobody has to be there. Another boost takes the place of the first, and without --min keeps its number.
    """
    if end == (duration is not None):
        raise typer.BadParameter("give one of the two", param_hint="--for, --end")
    if end and least is not None:
        raise typer.BadParameter("means nothing with --end", param_hint="--min")
    seconds = 0.0 if duration is None else loads.seconds(duration, "--for")
    if not end and not _SHORTEST_S <= seconds <= _LONGEST_S:
        why = f"{duration} is not between 1m and 24h: for what recurs or lasts, give the scaler a schedule or another minReplicas"
        raise typer.BadParameter(why, param_hint="--for")
    place, short = reach.named(name, namespace, kubeconfig, kube_context)
    if end:
        reach.connected(lambda kube: _end(kube, place, short), kubeconfig, kube_context)
    else:
        until = time.time() + seconds
        reach.connected(lambda kube: _begin(kube, place, short, least, until), kubeconfig, kube_context)


async def _begin(kube: "Kube", namespace: str, name: str, least: int | None, until: float) -> None:
    from autoscaler import fleetview
    from autoscaler.cli import writing
    from autoscaler.decision.schedule import Boost
    from autoscaler.resource import boosts

    document = await writing.read(kube, namespace, name)
    row = fleetview.row(document, now=time.time())
    if row.mode == "Paused":
        terminal.complain(f"error: {row.key} is paused, and a boost moves nothing there: leadtime resume {row.key}")
        raise typer.Exit(1)
    asked = Boost(min_replicas=_wanted(row, least), until=until)
    await writing.patch(kube, document, {"metadata": {"annotations": {boosts.ANNOTATION: boosts.spell(asked)}}})
    terminal.tell(
        f"{row.key}: at least {asked.min_replicas} replicas until {fleetview.until(asked)}; "
        f"`leadtime boost {row.key} --end` ends it now"
    )
    terminal.complain(*(f"note: {doubt}" for doubt in _doubts(row)))


def _wanted(row: "Row", least: int | None) -> int:
    """Return *least*, or the number of the boost in force, or twice what serves. Where there is none, say why and exit."""
    most = row.most if row.most is not None else _MOST_REPLICAS
    if least is not None:
        if least > most:
            terminal.complain(f"error: {row.key} may have {most} replicas at most: raise spec.maxReplicas, or ask for no more")
            raise typer.Exit(1)
        return least
    if row.boost is not None:
        return min(row.boost.min_replicas, most)
    there = row.current if row.current is not None else row.desired
    if there is None:
        terminal.complain(f"error: how many replicas {row.key} has is not known yet: say how many it shall have with --min")
        raise typer.Exit(1)
    # A warm pod takes no requests, and the pool comes on top of a boost. It is what was decided on: it may be on its way yet.
    serving = min(there, max(there, row.desired or 0) - (row.warm or 0))
    return min(max(1, 2 * serving), most)


def _doubts(row: "Row") -> Iterator[str]:
    """Yield why nothing may come of a boost."""
    if row.mode == "Recommend":
        yield f"{row.key} is in mode Recommend: the number is recommended, and nothing is set"
    if row.ready is None:
        yield f"nothing may come of it: no controller has said yet that {row.key} is ready; `leadtime doctor` looks for one"
    for trouble in row.trouble:
        yield f"nothing may come of it: {row.key}: {trouble}"


async def _end(kube: "Kube", namespace: str, name: str) -> None:
    from autoscaler import fleetview
    from autoscaler.cli import writing
    from autoscaler.resource import boosts

    document = await writing.read(kube, namespace, name)
    row = fleetview.row(document, now=time.time())
    if boosts.ANNOTATION in (document["metadata"].get("annotations") or {}):
        await writing.patch(kube, document, {"metadata": {"annotations": {boosts.ANNOTATION: None}}})
    terminal.tell(f"{row.key}: {'the boost is ended' if row.boost is not None else 'there is no boost in force'}")
