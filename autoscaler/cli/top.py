"""`leadtime top`: what each target's GPUs do now, what waits for them, and what they cost."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import fleet, reach, readings, terminal
from autoscaler.cli.readings import Reading, Value

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from adapter.kube.client import Kube

_ORDERS = ("gpu", "queue", "replicas", "name")


def top(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Those of this namespace only.")] = None,
    every_namespace: fleet.AllNamespaces = False,
    sort: Annotated[str, typer.Option(help="gpu, queue, replicas or name: the largest first, names from A.")] = "gpu",
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or yaml.")] = "table",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Show GPU utilisation and memory, the queue, replicas and cost of each target, as the metrics API has them now.

    What is not known is shown as –, never as 0. Metrics are read of Deployments and StatefulSets.

    Exit status: 0, or 1 if the cluster cannot be read, or the metrics API refused whatever it was asked for.
    """
    fleet.checked(output, ("table", "json", "yaml"))
    fleet.one_of(namespace, every_namespace=every_namespace)
    if sort not in _ORDERS:
        raise typer.BadParameter(f"{sort!r} is none of {', '.join(_ORDERS)}", param_hint="--sort")
    found = reach.connected(lambda kube: _read(kube, namespace), kubeconfig, kube_context)
    ranked = sorted(found, key=lambda reading: _rank(reading, sort))
    if output == "table":
        terminal.show(_table(ranked))
    else:
        fleet.dump([_facts(reading) for reading in ranked], output)
    terminal.complain(*(f"note: {note}" for note in readings.notes(found)))
    raise typer.Exit(1 if readings.all_failed(found) else 0)


async def _read(kube: "Kube", namespace: str | None) -> list[Reading]:
    return await readings.read(kube, await fleet.read(kube, namespace, None))


def _facts(reading: Reading) -> dict[str, Any]:
    from autoscaler import fleetview

    row, values = fleetview.row(reading.document, now=time.time()), reading.values
    return {
        "scaler": row.key,
        "target": row.target,
        "replicas": row.current,
        "ready": row.ready_replicas,
        "gpuUtilization": values["gpu_utilization"],
        "gpuMemoryUsedRatio": values["gpu_memory_used_ratio"],
        "queue": values["inference_queue_size"],
        "gpuHoursToday": row.gpu_hours_today,
        "costToday": row.cost_today,
    }


def _rank(reading: Reading, sort: str) -> tuple[float, str]:
    facts = _facts(reading)
    value = {"gpu": facts["gpuUtilization"], "queue": facts["queue"], "replicas": facts["replicas"], "name": 0.0}[sort]
    return (-value if value is not None else 1.0, facts["scaler"])


def _table(ranked: Sequence[Reading]) -> "RenderableType":
    from rich.text import Text

    from autoscaler.cli.tables import ABSENT, Whole, cell, grid, number

    if not ranked:
        return Text("there is no InferenceScaler here")
    table = grid("SCALER", "TARGET", "REPLICAS", "READY", "GPU", "GPU MEMORY", "QUEUE", "GPU-H TODAY", "COST TODAY")
    for reading in ranked:
        facts = _facts(reading)
        table.add_row(
            cell(facts["scaler"], style="bold"),
            cell(facts["target"]),
            number(facts["replicas"]),
            number(facts["ready"]),
            _percent(facts["gpuUtilization"]),
            _percent(facts["gpuMemoryUsedRatio"]),
            cell(ABSENT if facts["queue"] is None else f"{facts['queue']:g}"),
            cell(ABSENT if facts["gpuHoursToday"] is None else f"{facts['gpuHoursToday']:.1f}"),
            cell(facts["costToday"] or ABSENT),
        )
    return Whole(table)


def _percent(ratio: Value) -> "Text":
    from autoscaler.cli.tables import ABSENT, cell

    if ratio is None:
        return cell(ABSENT)
    return cell(f"{ratio * 100:.0f} %", style="red" if ratio > 0.95 else "")
