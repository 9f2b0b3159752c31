"""`leadtime top`: what each target's GPUs do now, what waits for them, and what they cost."""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from autoscaler.cli import fleet, reach

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from adapter.kube.client import Kube

_METRICS = ("gpu_utilization", "gpu_memory_used_ratio", "inference_queue_size")
_RESOURCES = {"Deployment": "deployments.apps", "StatefulSet": "statefulsets.apps"}
_AT_ONCE = 8
_ORDERS = ("gpu", "queue", "replicas", "name")

Value = float | None
Reading = tuple[fleet.Document, Mapping[str, Value]]


def top(
    namespace: Annotated[str | None, typer.Option("--namespace", "-n", help="Those of this namespace only.")] = None,
    every_namespace: fleet.AllNamespaces = False,
    sort: Annotated[str, typer.Option(help="gpu, queue, replicas or name: the largest first, names from A.")] = "gpu",
    output: Annotated[str, typer.Option("--output", "-o", help="table, json or yaml.")] = "table",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Show GPU utilisation and memory, the queue, replicas and cost of each target, as the metrics API has them now.

    What is not known is shown as –, never as 0.
    """
    fleet.checked(output, ("table", "json", "yaml"))
    fleet.one_of(namespace, every_namespace=every_namespace)
    if sort not in _ORDERS:
        raise typer.BadParameter(f"{sort!r} is none of {', '.join(_ORDERS)}", param_hint="--sort")
    readings = reach.connected(lambda kube: _read(kube, namespace), kubeconfig, kube_context)
    readings.sort(key=lambda reading: _rank(reading, sort))
    if output != "table":
        fleet.dump([_facts(reading) for reading in readings], output)
        return
    from rich.console import Console

    Console().print(_table(readings))


async def _read(kube: "Kube", namespace: str | None) -> list[Reading]:
    documents = await fleet.read(kube, namespace, None)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def value(path: str) -> Value:
        async with turns:
            return await _value(kube, path)

    async def reading(document: fleet.Document) -> Reading:
        target = (document.get("spec") or {}).get("scaleTargetRef") or {}
        resource = _RESOURCES.get(str(target.get("kind")))
        if resource is None:
            return document, dict.fromkeys(_METRICS)
        where = (
            f"namespaces/{quote(str(document['metadata']['namespace']), safe='')}/{resource}/{quote(str(target['name']), safe='')}"
        )
        root = f"/apis/custom.metrics.k8s.io/v1beta2/{where}"
        values = await asyncio.gather(*(value(f"{root}/{metric}") for metric in _METRICS))
        return document, dict(zip(_METRICS, values, strict=True))

    return list(await asyncio.gather(*(reading(document) for document in documents)))


async def _value(kube: "Kube", path: str) -> Value:
    """Return the value of one metric, None where there is none for whatever reason: `leadtime explain metric` tells those."""
    from adapter.errors import ApiServerError
    from autoscaler.cluster import answers

    try:
        answer = answers.of_object(await kube.request("GET", path))
    except (ApiServerError, answers.AnswerError):
        return None
    return None if answer.total_milli is None else answer.total_milli / 1000


def _facts(reading: Reading) -> dict[str, Any]:
    from autoscaler import fleetview

    document, values = reading
    row = fleetview.row(document, now=time.time())
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


def _table(readings: list[Reading]) -> "RenderableType":
    from rich.text import Text

    from autoscaler.cli.status_words import ABSENT, cell, grid, number

    if not readings:
        return Text("there is no InferenceScaler here")
    table = grid("SCALER", "TARGET", "REPLICAS", "READY", "GPU", "GPU MEMORY", "QUEUE", "GPU-H TODAY", "COST TODAY")
    for reading in readings:
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
    return table


def _percent(ratio: Value) -> "Text":
    from autoscaler.cli.status_words import ABSENT, cell

    if ratio is None:
        return cell(ABSENT)
    return cell(f"{ratio * 100:.0f} %", style="red" if ratio > 0.95 else "")
