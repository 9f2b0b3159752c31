"""Exporter pages and what a Prometheus makes of them: the labels that rules see, with and without ``honorLabels``."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from adapter.metric import Row
from adapter.rules.model import Quantile, Rate, Rule, Selection

AT = 1_795_336_245.0
FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "metric-sources"

EXPORTER = {
    "job": "dcgm",
    "instance": "10.0.0.7:9400",
    "namespace": "gpu-operator",
    "pod": "nvidia-dcgm-exporter-abcde",
    "container": "nvidia-dcgm-exporter",
}

Page = Mapping[str, Sequence[Row]]


def fixture(name: str) -> str:
    path = FIXTURES / name
    if not path.exists():
        pytest.skip(f"{path} is not here: the case needs a recorded page")
    return path.read_text()


def scraped(text: str, target: Mapping[str, str] | None = None, *, honor: bool = False, at: float = AT) -> dict[str, list[Row]]:
    """Return the series of *text* by name as Prometheus stores them: on a conflict one side's label is renamed or dropped."""
    target = target or {}
    series: dict[str, list[Row]] = {}
    text = f"\n{text}"
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            own = {label: value for label, value in sample.labels.items() if value}
            if honor:
                labels = {**target, **own}
            else:
                renamed = {f"exported_{label}" if label in target else label: value for label, value in own.items()}
                labels = {**renamed, **target}
            # The parser gives every counter the name that OpenMetrics wants; Prometheus keeps the page's.
            name = sample.name if f"\n{sample.name}" in text else sample.name.removesuffix("_total")
            series.setdefault(name, []).append(Row(labels, float(sample.value), at))
    return series


def answers(rules: Iterable[Rule], page: Page) -> dict[Selection, Sequence[Row]]:
    """Return what a source answers to *rules* from *page*, as if every counter had grown from zero in 100 seconds.

    Every histogram is taken to have a quantile of 0.25.
    """
    return {selection: answer(selection, page) for rule in rules for selection in rule.selections()}


def answer(selection: Selection, page: Page) -> list[Row]:
    name = f"{selection.name}_count" if isinstance(selection.measure, Quantile) else selection.name
    found = [row for row in page.get(name, ()) if all(match.holds(row.labels.get(match.label, "")) for match in selection.where)]
    match selection.measure:
        case Rate():
            return [row._replace(value=row.value / 100.0) for row in found]
        case Quantile():
            return [row._replace(value=0.25) for row in found]
        case _:
            return found


def gpu(name: str, value: float, index: int, node: str = "gpu-node-a", **labels: str) -> str:
    """Return one line as dcgm-exporter writes it; *labels* are those of the pod, the MIG instance or the claim."""
    told = {
        "gpu": str(index),
        "UUID": f"GPU-{index:08d}-0000-0000-0000-{sum(map(ord, node)):012d}",
        "device": f"nvidia{index}",
        "modelName": "NVIDIA H100 80GB HBM3",
        "hostname": node,
        **labels,
    }
    return line(name, value, **{label: text for label, text in told.items() if text is not None})


def line(name: str, value: float, **labels: str) -> str:
    pairs = ",".join(f'{label}="{text}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}"


def page(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def pod(name: str, namespace: str = "llm", container: str = "vllm", **labels: str) -> dict[str, str]:
    return {"namespace": namespace, "pod": name, "container": container, **labels}
