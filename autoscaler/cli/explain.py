"""`leadtime explain`: why a value is what it is, or missing, in words for people and as JSON for programs."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

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
        str, typer.Option("--namespace", "-n", help="The namespace; '' for an object that has none, such as nodes/NAME.")
    ] = "default",
    selector: Annotated[str, typer.Option("--selector", "-l", help="Label selector, for pods.")] = "",
    metric_selector: Annotated[str, typer.Option(help="Selector on the metric's own labels.")] = "",
    external: Annotated[bool, typer.Option("--external", help="It is an external metric.")] = False,
    output: Annotated[str, typer.Option("--output", "-o", help="text or json.")] = "text",
    kubeconfig: Annotated[Path | None, typer.Option(help="A kubeconfig; yours by default.")] = None,
    kube_context: Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.")] = None,
) -> None:
    """Explain a metric: its value for each object, its age, its rule and source, or why there is none.

    Exit status: 0 if HPA gets a value, 1 if it does not.
    """
    if output not in {"text", "json"}:
        raise typer.BadParameter(f"{output!r} is neither text nor json", param_hint="--output")
    path = _path(name, target, namespace, external=external)
    query = {"explain": "true", "labelSelector": selector, "metricLabelSelector": metric_selector}
    if external:
        query = {"explain": "true", "labelSelector": metric_selector}
    body = asyncio.run(_get(path, {key: value for key, value in query.items() if value}, kubeconfig, kube_context))
    import msgspec

    told = msgspec.json.decode(body)
    if "hpa" not in told:
        print(f"error: {path} is served, but not by leadtime: what answers there explains nothing", file=sys.stderr)
        raise typer.Exit(1)
    print(body.decode() if output == "json" else _text(told))
    raise typer.Exit(0 if "reads" in told["hpa"] else 1)


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


async def _get(path: str, query: dict[str, str], kubeconfig: Path | None, context: str | None) -> bytes:
    from adapter.kube.client import Kube

    kube = await Kube.connect(str(kubeconfig) if kubeconfig else None, context)
    try:
        return await kube.request("GET", path, query=query)
    finally:
        await kube.close()


def _text(told: dict[str, Any]) -> str:
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
    return "\n".join(lines)


def _object(one: dict[str, Any]) -> str:
    if missing := one.get("missing"):
        return f"  {one['object']}: {missing['message']}"
    what = one.get("object") or ", ".join(f"{label}={value}" for label, value in one["labels"].items()) or "no labels"
    shared = ", on a shared GPU" if one["shared"] else ""
    stands_in = ", by the rule's absentAs" if "absentAs" in one else ""
    return f"  {what}: {one['value']}, {one['ageSeconds']:.0f}s old, from {one['series']} series{shared}{stands_in}"
