"""The adapter's configuration field by field, from its schema, and what each preset serves, from its rules."""

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Any, Literal

import pydantic

from adapter import quantity, schema
from adapter.rules import model, presets
from tests.docs.reference import table

_HEAD = """# Rules and presets

What the adapter's configuration file may say, field by field, and what each preset makes of an exporter's or an engine's series.
[Configuration](../configuration.md) shows it by examples. A file is read strictly: what is not here is refused with its line.

This page is made of the code by `python -m tests.docs.generate`.
"""
_BELOW: Mapping[str, type[schema.Entry]] = {
    "prometheus": schema.Prometheus,
    "scrape": schema.Scrape,
    "scrape.pods": schema.PodTargets,
    "scrape.endpoints": schema.EndpointTargets,
}
_ACCESS: Mapping[str, type[schema.Entry]] = {"auth": schema.Auth, "tls": schema.Tls}
#: What the fields mean: the schema says what they may be.
_SOURCE = {
    "name": "What rules call it.",
    "prometheus": "A Prometheus, or what answers its HTTP API. Either this or `scrape`.",
    "prometheus.url": "Its base address. Credentials go under `auth`.",
    "prometheus.interval": "How often each series is asked for: once for all readers.",
    "prometheus.timeout": "How long it may take to answer one query.",
    "prometheus.auth": "Who we are to it.",
    "prometheus.tls": "How its certificate is verified, and which one it is shown.",
    "prometheus.headers": "Headers of every request, such as a tenant.",
    "prometheus.headerFiles": "The same, with the value in a file that is read again when it changes.",
    "prometheus.queryParams": "Parameters of every query.",
    "prometheus.maxSeries": "A selection that brings more is refused, by name.",
    "scrape": "Pages that the adapter reads by itself. Either this or `prometheus`.",
    "scrape.pods": "Live pods. One of `pods`, `endpoints` and `static`.",
    "scrape.pods.selector": "Which pods, as `kubectl get --selector` spells it; all of them without.",
    "scrape.pods.namespaces": "In which namespaces; in all of them without.",
    "scrape.pods.port": "A port's number, or the name that the container has for it.",
    "scrape.endpoints": "The ready addresses of a Service.",
    "scrape.endpoints.namespace": "The Service's namespace.",
    "scrape.endpoints.service": "Its name.",
    "scrape.endpoints.port": "A port's number, or the name that the Service has for it.",
    "scrape.static": "Addresses, as `host:port` or whole URLs.",
    "scrape.interval": "How often each page is read.",
    "scrape.timeout": "How long a page may take.",
    "scrape.path": "Where the page is.",
    "scrape.scheme": "How it is reached.",
    "scrape.auth": "Who we are to it.",
    "scrape.tls": "How its certificate is verified, and which one it is shown.",
    "scrape.maxSeries": "A selection that brings more is refused, by name.",
    "scrape.maxBodyBytes": "A page that is longer is refused.",
    "auth.bearerTokenFile": "The file with a bearer token, read again when it changes.",
    "auth.username": "For basic authentication, together with `passwordFile`.",
    "auth.passwordFile": "The file with its password.",
    "tls.caFile": "The authorities that its certificate is from; the system's without.",
    "tls.certFile": "A client certificate, together with `keyFile`.",
    "tls.keyFile": "Its key.",
    "tls.serverName": "The name in its certificate, where the address has another.",
}
_RULE = {
    "source": "Which of `sources`; needed where there are several.",
    "name": "What explanations and metrics call the rule; told from its metric without.",
    "maxAge": "How old a value may be that is served; of a preset without, its own, as below.",
    "preset": "One of the presets below. It goes with `source`, `name`, `only` and `maxAge`.",
    "only": "Of a preset: the metrics to serve.",
    "metric": "The name that is served: one segment of a path.",
    "series": "Names of series in order of preference. Either this or `promql`.",
    "where": "Conditions on labels: a value, or `op` and `value`.",
    "measure": "`latest`, `{rate: 2m}` of a counter, or `{quantile: 0.9, window: 2m}` of a histogram.",
    "promql": "An expression, sent as it is; it takes a Prometheus.",
    "object": "What the values are of: `pods`, `namespace`, `external`, or a mapping with `resource`, `kind`, `apiVersion`, "
    "`nameLabel` and `namespaceLabel`.",
    "reduce": "How several series of one object become one; `single` refuses a second one. Needed.",
    "replicated": "Labels in which copies of one fact differ: the largest counts once.",
    "owner": "How the values of pods become their workload's (`deployments.apps/NAME/METRIC`); not served there without.",
    "keep": "Labels that `metricLabelSelector` may select on.",
    "factor": "What values are multiplied by.",
    "minCoverageRatio": "A workload's value is served while at least this share of its ready pods report.",
    "absentAs": "The value of an object without series, marked wherever it is used; missing without.",
}
_MEANINGS = """
Engines differ in what they count; what is not here, they do not tell. `inference_queue_size` is what waits,
`inference_requests_running` what is worked on, and `inference_requests_in_flight` both. Ratios run from 0 to 1. A workload's
latency is that of its worst pod, since quantiles have no sum.
"""


def page() -> str:
    """Return the page."""
    lines = [
        _HEAD,
        "## A source\n",
        table(["field of `sources[]`", "value", "default", ""], _sources()) + "\n",
        "## A rule\n",
        table(["field of `rules[]`", "value", "default", ""], _fields(schema.Rule, "", _RULE)) + "\n",
        "## Which preset serves what\n",
        _canonical(),
        _MEANINGS,
    ]
    for name in presets.names():
        lines += [f"## Preset {name}\n", f"{presets.describe(name)}.\n", _preset(name) + "\n"]
    return "\n".join(lines).rstrip() + "\n"


def _sources() -> Iterator[list[str]]:
    yield from _fields(schema.Source, "", _SOURCE)
    for name, entry in _ACCESS.items():
        yield from _fields(entry, f"{name}.", _SOURCE)


def _fields(entry: type[schema.Entry], above: str, meanings: Mapping[str, str]) -> Iterator[list[str]]:
    for field in entry.model_fields.values():
        path = f"{above}{field.alias}"
        kind = _kind(path, field)
        default = "**required**" if field.is_required() else _spelled(field.default, kind)
        yield [f"`{path}`", kind, default, meanings[path]]
        if path in _BELOW:
            yield from _fields(_BELOW[path], f"{path}.", meanings)


def _kind(path: str, field: pydantic.fields.FieldInfo) -> str:
    """Return in a word or two what *field* takes."""
    if path in _BELOW or path.rpartition(".")[2] in _ACCESS:
        return "mapping"
    if path in ("object", "measure"):
        return "word or mapping"
    return _type(field.annotation, field.metadata)


def _type(annotation: Any, metadata: list[Any]) -> str:
    if any(getattr(each, "func", None) is schema.duration for each in metadata):
        return "duration"
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _type(inner[0], list(inner[1:]))
    if origin in (typing.Union, UnionType):
        kept = [each for each in inner if each is not type(None)]
        return " or ".join(dict.fromkeys(_type(each, metadata if len(kept) == 1 else []) for each in kept))
    if origin is Literal:
        return " · ".join(f"`{word}`" for word in inner)
    if origin is tuple:
        return f"{_type(inner[0], [])}, or a list"
    if origin is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, schema.Reduce):
        return " · ".join(f"`{word}`" for word in annotation)
    names = {str: "text", Path: "file", int: "whole number", float: "number"}
    return f"{names[annotation]}{_bounds(metadata)}"


def _bounds(metadata: list[Any]) -> str:
    """Return what annotated-types' bounds among *metadata* say; those that only keep a number finite are left out."""
    words = {"gt": "above", "ge": "at least", "le": "at most", "lt": "below"}
    told = [(word, getattr(each, key, None)) for each in metadata for key, word in words.items()]
    return "".join(f", {word} {bound:g}" for word, bound in told if bound is not None and abs(bound) < quantity.MAX_MAGNITUDE)


def _spelled(default: Any, kind: str) -> str:
    if default is None or default in ((), {}) or isinstance(default, schema.Entry):
        return ""
    if isinstance(default, float):
        return f"`{default:g}{' s' if kind == 'duration' else ''}`"
    return f"`{default}`"


def _canonical() -> str:
    served = {name: presets.metrics(name) for name in presets.names()}
    # The canonical names are those that are spelled alike everywhere, series have their exporter's.
    metrics = dict.fromkeys(metric for found in served.values() for metric in found if _is_canonical(metric))
    rows = ([f"`{metric}`", *("yes" if metric in served[name] else "" for name in served)] for metric in metrics)
    return table(["metric", *served], rows)


def _is_canonical(metric: str) -> bool:
    return metric.startswith(("gpu_", "inference_", "kv_cache", "time_to_first", "inter_token", "tokens_")) and ":" not in metric


def _preset(name: str) -> str:
    rows = (
        [
            f"`{rule.metric}`",
            _read(rule),
            rule.reducer.fold.value if rule.reducer.fold else "",
            rule.owner_fold.value if rule.owner_fold else "not served",
            ", ".join(f"`{label}`" for label in rule.keep),
            f"{rule.max_age_s:g} s",
        ]
        for rule in presets.rules(name, source="SOURCE")
    )
    return table(["metric", "from, the first that is there", "in a pod", "of a workload", "select on", "at most"], rows)


def _read(rule: model.Rule) -> str:
    told = _sum(rule.of)
    if not rule.over:
        return told
    below = _sum(rule.over)
    return f"{told} ÷ ({below})" if len(rule.over) > 1 else f"{told} ÷ {below}"


def _sum(terms: tuple[model.Term, ...]) -> str:
    told = [", else ".join(_candidate(each) for each in term.any_of) for term in terms]
    if len(terms) == 1:
        return told[0]
    return " + ".join(f"({each})" if len(term.any_of) > 1 else each for each, term in zip(told, terms, strict=True))


def _candidate(one: model.Candidate) -> str:
    factor = f" × {one.factor:g}" if one.factor != 1.0 else ""
    match one.selection.measure:
        case model.Latest():
            return f"`{one.selection}`{factor}"
        case model.Rate(window_s):
            return f"rate of `{one.selection}` over {window_s:g} s{factor}"
        case model.Quantile(q, window_s):
            return f"{q:g}-quantile of `{one.selection}` over {window_s:g} s{factor}"
