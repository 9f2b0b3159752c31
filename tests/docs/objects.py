"""The YAML of the pages, each block as what it is: objects of Kubernetes, configuration of ours, values of the chart, prices.

A block says what it is by what it holds. One that is only a `spec` is a part of an InferenceScaler, and one that has only `sources`
or only `rules` is that part of an adapter's configuration: both are tried on in a whole one.
"""

import copy
import enum
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.docs import pages
from tests.docs.pages import Block
from tests.manifests import reading

Document = dict[str, Any]
#: The one that is written in C, where it is there: the pages have a hundred blocks.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Kinds of others that no cluster of ours serves, and why a page shows one: they are parsed, and no API server is asked.
FOREIGN: Mapping[tuple[str, str], str] = {
    ("argoproj.io/v1alpha1", "Application"): "Argo CD's own; what it is told to ignore is a field of ours",
    ("keda.sh/v1alpha1", "ScaledObject"): "KEDA's; tests/docs/test_yaml.py converts it as the page says",
    ("kustomize.config.k8s.io/v1beta1", "Kustomization"): "read by kubectl, and by no API server",
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"): "Flux's own; what it applies is ours",
}


class What(enum.Enum):
    """What a block of YAML is."""

    OBJECTS = "objects of Kubernetes"
    SPEC = "a part of an InferenceScaler"
    ADAPTER = "configuration of the adapter"
    THEIRS = "rules of prometheus-adapter"
    ALERTMANAGER = "configuration of Alertmanager: tests/integration/rules runs it"
    PRICES = "prices"
    VALUES = "values of the chart"


def documents(block: Block) -> list[Document]:
    """Return the documents of *block*; `AssertionError` where one is no mapping."""
    found = [each for each in yaml.load_all(block.text, Loader=_LOADER) if each is not None]
    assert found, f"{block}: holds nothing"
    assert all(isinstance(each, dict) for each in found), f"{block}: a document is no mapping"
    return found


def what(block: Block) -> What:
    """Return what *block* is; `AssertionError` where nothing is like it."""
    kind = _what(block)
    assert kind is not None, f"{block}: neither objects, nor configuration, prices or values of the chart"
    return kind


@cache
def _what(block: Block) -> What | None:
    found = documents(block)
    if all("kind" in each and "apiVersion" in each for each in found):
        return What.OBJECTS
    if len(found) > 1:
        return None
    (one,) = found
    if one.keys() == {"rules"} and all("seriesQuery" in rule for rule in one["rules"]):
        return What.THEIRS
    if one.keys() <= {"sources", "rules"}:
        return What.ADAPTER
    if {"route", "receivers"} <= one.keys():
        return What.ALERTMANAGER
    if one.keys() == {"currency", "prices"}:
        return What.PRICES
    if one.keys() == {"spec"}:
        return What.SPEC
    if one.keys() <= values().keys():
        return What.VALUES
    return None


@cache
def of(kind: What) -> tuple[Block, ...]:
    """Return the blocks of YAML that are of *kind*, of all pages."""
    return tuple(block for block in pages.blocks("yaml") if _what(block) is kind)


@cache
def values() -> Document:
    """Return the chart's values as shipped."""
    found: Document = yaml.safe_load((reading.CHART / "values.yaml").read_text(encoding="utf-8"))
    return found


def merged(default: Any, given: Any) -> Any:
    """Return *default* with *given* over it, as Helm merges values."""
    if isinstance(default, dict) and isinstance(given, dict):
        return {key: merged(default.get(key), given[key]) if key in given else default[key] for key in {**default, **given}}
    return copy.deepcopy(given)


def scaler(part: Document) -> Document:
    """Return an InferenceScaler on one queue with *part* as its spec where that says something."""
    queue = {"metric": {"name": "inference_queue_size"}, "target": {"type": "AverageValue", "averageValue": "10"}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "vllm-qwen"},
        "maxReplicas": 8,
        "metrics": [{"type": "Pods", "pods": queue}],
    }
    return {
        "apiVersion": "leadtime.dev/v1alpha1",
        "kind": "InferenceScaler",
        "metadata": {"name": "vllm-qwen", "namespace": "llm-inference"},
        "spec": {**spec, **part["spec"]},
    }


def configuration(block: Block) -> str:
    """Return *block* as a whole configuration of the adapter: with a source, or a rule, where it has none of its own."""
    (found,) = documents(block)
    sources = found.get("sources") or [{"name": "prometheus", "prometheus": {"url": "http://prometheus.monitoring:9090"}}]
    rules = found.get("rules") or [{"preset": "vllm", "source": sources[0]["name"]}]
    return yaml.safe_dump({"sources": sources, "rules": rules}, sort_keys=False)
