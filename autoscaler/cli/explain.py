"""`leadtime explain`: why a value is what it is, or missing, in words for people and as JSON for programs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from autoscaler.cli import names, reach, terminal, times

if TYPE_CHECKING:
    from autoscaler.decision.model import Record

app = typer.Typer(help="Say why a number is what it is.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _group() -> None:
    pass


@app.command()
def metric(
    name: Annotated[str, typer.Argument(help="The metric, such as gpu_utilization.")],
    target: Annotated[
        str, typer.Argument(help="What it describes: pods, pods/NAME, deployments.apps/NAME, RESOURCE.GROUP/NAME, or namespace.")
    ] = "pods",
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            help="The namespace, your context's by default; '' for an object that has none, such as nodes/NAME.",
        ),
    ] = None,
    selector: Annotated[str, typer.Option("--selector", "-l", help="Label selector, for pods.")] = "",
    metric_selector: Annotated[str, typer.Option(help="Selector on the metric's own labels.")] = "",
    external: Annotated[bool, typer.Option("--external", help="It is an external metric.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="text or json.")] = "text",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Explain a metric: its value for each object, its age, its rule and source, or why there is none.

    Exit status: 0 if HPA gets a value, 1 if it does not.
    """
    if output not in {"text", "json"}:
        raise typer.BadParameter(f"{output!r} is neither text nor json", param_hint="--output")
    where = reach.own_namespace(kubeconfig, kube_context) if namespace is None else namespace
    path = _path(name, target, where, external=external)
    query = {"explain": "true", "labelSelector": selector, "metricLabelSelector": metric_selector}
    if external:
        query = {"explain": "true", "labelSelector": metric_selector}
    told = _get(path, {key: value for key, value in query.items() if value}, kubeconfig, kube_context)
    if "hpa" not in told:
        terminal.complain(f"error: {path} is served, but not by leadtime: what answers there explains nothing")
        raise typer.Exit(1)
    if output == "json":
        print(terminal.json(told))
    else:
        terminal.tell(*_lines(told))
    raise typer.Exit(0 if "reads" in told["hpa"] else 1)


@app.command()
def isc(
    name: Annotated[str, typer.Argument(help="The InferenceScaler: NAME or NAMESPACE/NAME.", autocompletion=names.scalers)],
    namespace: reach.Namespace = None,
    record: Annotated[
        Path | None, typer.Option(help="Explain from this record alone, as the controller's --record writes it.", metavar="FILE")
    ] = None,
    at: Annotated[
        str | None, typer.Option(help="The decision in force at this time; the last one by default.", metavar="RFC3339|SECONDS")
    ] = None,
    output: Annotated[str, typer.Option("--output", "-o", help="text or json.")] = "text",
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Explain an InferenceScaler's number: every step to it, and what it would be otherwise.

    Without --record from the object's status; with it by taking the decision again, from the record alone.

    Exit status: 0 if the number is explained; 1 if there is none, the object is not ready, or the record decides another one.
    """
    if output not in {"text", "json"}:
        raise typer.BadParameter(f"{output!r} is neither text nor json", param_hint="--output")
    where, short = reach.named(name, namespace, kubeconfig, kube_context)
    time = None if at is None else times.at(at)
    if record is not None:
        explained = _from_record(record, f"{where}/{short}", time, output)
    else:
        found = reach.connected(lambda kube: reach.read(kube, reach.scaler_path(where, short)), kubeconfig, kube_context)
        explained = _from_status(found, f"{where}/{short}", time, output)
    raise typer.Exit(0 if explained else 1)


def _from_status(document: dict[str, Any], name: str, at: float | None, output: str) -> bool:
    """Print what the object's status tells, and return whether it explains a number."""
    from autoscaler.report import narrate, status

    told: dict[str, Any] = document.get("status") or {}
    entry = status.entry_at(told, at)
    if output == "json":
        print(terminal.json({"scaler": name, "decision": entry, "status": told}))
    else:
        terminal.tell(*narrate.status(name, told, entry))
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in told.get("conditions", ()))
    if entry is None:
        terminal.complain(f"error: the trail of {name} {'is empty' if at is None else 'does not reach that time'}")
    return ready and entry is not None


def _from_record(file: Path, name: str, at: float | None, output: str) -> bool:
    """Take the decision of *file* again, print it, and return whether it comes out as recorded."""
    import msgspec

    from adapter.snapshot import rfc3339
    from autoscaler.report import explained, narrate

    found = _recorded(file, name, at)
    if found is None:
        return False
    again = explained.of(found)
    if output == "json":
        told = {
            "scaler": name,
            "at": rfc3339(again.decision.at),
            "headline": narrate.headline(name, again.decision),
            "decision": again.decision,
            "without": again.others,
            "recorded": {"replicas": found.decision.replicas, "serving": found.decision.serving},
            "reproduced": again.reproduced,
        }
        print(terminal.json(msgspec.json.decode(msgspec.json.encode(told))))
        return again.reproduced
    *told_lines, verdict = again.lines()
    terminal.tell(*told_lines)
    (terminal.tell if again.reproduced else terminal.complain)(verdict)
    return again.reproduced


def _recorded(file: Path, name: str, at: float | None) -> "Record | None":
    """Return the decision of *name* that was in force at *at*, or its last one; say so where there is none."""
    from autoscaler.report import record

    found = None
    targets: dict[str, None] = {}
    try:
        for one in record.read(file, tell=lambda words: terminal.complain(f"note: {words}")):
            targets[one.target] = None
            if one.target == name and (at is None or one.observation.now <= at):
                found = one
    except (record.RecordError, OSError) as error:
        terminal.complain(f"error: {error}")
        raise typer.Exit(2) from error
    if found is None:
        when = "" if name not in targets else " at that time or before"
        terminal.complain(f"error: {file} has no decision of {name}{when}; it has {', '.join(targets) or 'none at all'}")
    return found


def _path(metric: str, target: str, namespace: str, *, external: bool) -> str:
    where = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    if external:
        return f"/apis/external.metrics.k8s.io/v1beta1/{where}{quote(metric, safe=':')}"
    resource, _, name = target.partition("/")
    if resource in {"namespace", "namespaces"}:
        where += "metrics"
    else:
        where += f"{quote(resource, safe='')}/{quote(name, safe='') or '*'}"
    return f"/apis/custom.metrics.k8s.io/v1beta2/{where}/{quote(metric, safe=':')}"


def _get(path: str, query: dict[str, str], kubeconfig: Path | None, context: str | None) -> dict[str, Any]:
    import msgspec

    body = reach.connected(lambda kube: kube.request("GET", path, query=query), kubeconfig, context)
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def _lines(told: dict[str, Any]) -> list[str]:
    lines = []
    answer = told["answer"]
    if answer["status"] == 200:
        hpa = told["hpa"]
        lines.append(f"HPA reads {hpa['reads']}: {hpa['as']}" if "reads" in hpa else f"no value: {hpa['effect']}")
    else:
        lines.append(f"no value ({answer['status']}): {answer['missing']['message']}")
        lines.append(told["hpa"]["effect"])
    if warning := told["asked"].get("warning"):
        lines.append(f"warning: {warning}")
    if coverage := told.get("coverage"):
        lines.append(f"pods: {coverage['live']} live, {coverage['ready']} ready, {coverage['reporting']} reporting")
    lines += [_object(one) for one in told["objects"] or answer.get("items", ())]
    for rule in told["rules"]:
        series = ", or ".join(
            f"{choice['select']} ({choice['measure']})" for term in rule["sumOf"] for choice in term["firstThatHasSeries"]
        )
        lines.append(f"rule {rule['rule']} reads {series} from {rule['source']}")
        if fault := rule.get("fault"):
            lines.append(f"  fault: {fault['message']}")
    return lines


def _object(one: dict[str, Any]) -> str:
    if missing := one.get("missing"):
        return f"  {one['object']}: {missing['message']}"
    what = one.get("object") or ", ".join(f"{label}={value}" for label, value in one["labels"].items()) or "no labels"
    shared = ", on a shared GPU" if one["shared"] else ""
    stands_in = ", by the rule's absentAs" if "absentAs" in one else ""
    return f"  {what}: {one['value']}, {one['ageSeconds']:.0f}s old, from {one['series']} series{shared}{stands_in}"
