"""Convert prometheus-adapter's configuration into ours, rule by rule, or say why a rule cannot come along.

Its rules discover series by a query and fill a template at each request. Ours name their series and are collected ahead of
requests. So a template's label matchers fall away, its grouping becomes the labels of the object, and what a rule of ours can
say by itself is said that way; the rest becomes the PromQL that prometheus-adapter would have sent, for all objects at once.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapter.rules import expression, shape
from adapter.rules.expression import Selector
from adapter.rules.model import PodObject

RuleDocument = dict[str, Any]

# By plural with group: the kind, its version, and whether it is namespaced.
_KINDS = {
    "pods": ("Pod", "v1", True),
    "services": ("Service", "v1", True),
    "endpoints": ("Endpoints", "v1", True),
    "configmaps": ("ConfigMap", "v1", True),
    "persistentvolumeclaims": ("PersistentVolumeClaim", "v1", True),
    "replicationcontrollers": ("ReplicationController", "v1", True),
    "nodes": ("Node", "v1", False),
    "persistentvolumes": ("PersistentVolume", "v1", False),
    "deployments.apps": ("Deployment", "apps/v1", True),
    "statefulsets.apps": ("StatefulSet", "apps/v1", True),
    "daemonsets.apps": ("DaemonSet", "apps/v1", True),
    "replicasets.apps": ("ReplicaSet", "apps/v1", True),
    "jobs.batch": ("Job", "batch/v1", True),
    "cronjobs.batch": ("CronJob", "batch/v1", True),
    "ingresses.networking.k8s.io": ("Ingress", "networking.k8s.io/v1", True),
    "horizontalpodautoscalers.autoscaling": ("HorizontalPodAutoscaler", "autoscaling/v2", True),
}
_PLURALS = {kind.lower(): resource for resource, (kind, _, _) in _KINDS.items()} | {
    resource.partition(".")[0]: resource for resource in _KINDS
}
_NAMESPACE = ("namespace", "namespaces")

_MATCHERS = "__label_matchers__"
_FIELD = re.compile(r"<<-?\s*\.(\w+)\s*-?>>")
_BY_NAME = re.compile(r"""\w+\s*=~?\s*(["'`])<<-?\s*index\s+\.LabelValuesByName\s+["'`](\w+)["'`]\s*-?>>\1""")
_BRACES = re.compile(r"""\{((?:[^{}"'`]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)*)\}""")
_MATCHER = re.compile(rf"""\s*({_MATCHERS}|[\w.]+\s*(?:=~|!~|!=|=)\s*(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`))\s*(?:,|$)""")
_BY = re.compile(r"\bby\s*\(([^()]*)\)")
_AGGREGATION = re.compile(rf"\b(?:{'|'.join(sorted(expression.AGGREGATIONS))})\s*(?:\(|by\b|without\b)")
_ALTERNATIVES = re.compile(r"\^?\(?(?:\?:)?([\w:]+(?:\|[\w:]+)*)\)?\$?")


class _RefusedError(Exception):
    """Why a rule cannot be converted."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What came of a configuration.

    *rules* are entries for our ``rules`` list. *refused* says where a rule stood and why it is not among them; *notes* where one
    was converted that a person should look at.
    """

    rules: tuple[RuleDocument, ...]
    refused: tuple[tuple[str, str], ...]
    notes: tuple[tuple[str, str], ...] = ()


def convert(document: Mapping[str, Any], *, source: str, known: Collection[str] = ()) -> Conversion:
    """Return *document*, a parsed configuration file of prometheus-adapter, as rules that read *source*.

    A rule may stand for every series whose name matches a pattern. Those are looked up in *known*, the names that the
    Prometheus server has; without them such a rule is refused.
    """
    rules: list[RuleDocument] = []
    refused: list[tuple[str, str]] = []
    notes: list[tuple[str, str]] = []
    for section, external in (("rules", False), ("externalRules", True)):
        told = document.get(section) or []
        if not isinstance(told, Sequence) or isinstance(told, str):
            refused.append((section, "is not a list of rules"))
            continue
        for position, rule in enumerate(told):
            path = f"{section}[{position}]"
            try:
                conversion = _Rule(rule, known, external=external)
                rules += conversion.documents(source)
                notes += [(path, note) for note in conversion.notes]
            except _RefusedError as error:
                refused.append((path, str(error)))
    if document.get("resourceRules"):
        why = "serves CPU and memory as metrics.k8s.io, which is not ours to serve: keep metrics-server for it"
        refused += [(f"resourceRules.{name}", why) for name in ("cpu", "memory") if name in document["resourceRules"]]
    return Conversion(tuple(_uniquely_named(rules)), tuple(refused), tuple(notes))


def _uniquely_named(rules: Sequence[RuleDocument]) -> Iterator[RuleDocument]:
    taken: set[str] = set()
    for rule in rules:
        name, number = rule["name"], 1
        while name in taken:
            number += 1
            name = f"{rule['name']}-{number}"
        taken.add(name)
        yield {**rule, "name": name}


@dataclass(frozen=True, slots=True)
class _Target:
    """What a converted rule describes: the ``object`` of its document, and the labels that name it."""

    object: str | dict[str, Any]
    suffix: str
    name_label: str | None
    namespace_label: str | None

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label for label in (self.namespace_label, self.name_label) if label is not None)


class _Rule:
    """One of their rules on its way to become some of ours."""

    def __init__(self, told: Any, known: Collection[str], *, external: bool) -> None:
        if not isinstance(told, Mapping):
            raise _RefusedError("is not a mapping")
        self._external = external
        self._resources = _mapping(told, "resources")
        self._name = _mapping(told, "name")
        self._filters = list(_filters(told.get("seriesFilters") or []))
        self._query = str(told.get("metricsQuery") or "").strip()
        self._discovery = str(told.get("seriesQuery") or "").strip()
        self._known = known
        self.notes: list[str] = []
        if not self._query:
            raise _RefusedError("metricsQuery is missing: it says what to ask Prometheus for")

    def documents(self, source: str) -> list[RuleDocument]:
        targets = [self._external_target()] if self._external else self._targets()
        found: list[RuleDocument] = []
        for series in self._series():
            metric = self._metric(series)
            for target in targets:
                body = self._body(series, target)
                name = f"imported/{metric}" + (f"/{target.suffix}" if len(targets) > 1 else "")
                found.append({"name": name, "metric": metric, "source": source, "object": target.object, **body})
        return found

    # Discovery: which series the rule is about.

    def _series(self) -> list[str]:
        selector = expression.parse(self._discovery)
        if not isinstance(selector, Selector):
            raise _RefusedError(f"seriesQuery {self._discovery!r} is not a series selector")
        conditions = [(op, value) for label, op, value in selector.matchers if label == "__name__"]
        exact = [selector.name] if selector.name else [value for op, value in conditions if op == "="]
        listed = [_listed(value) for op, value in conditions if op == "=~"]
        if not exact and listed and listed[0]:
            exact = listed[0]
        candidates = exact or self._known
        if not candidates:
            raise _RefusedError(
                f"seriesQuery {self._discovery!r} stands for every series that matches it: name the series that you need, "
                "one rule each (or give the names that Prometheus has)"
            )
        found = [name for name in candidates if self._wanted(name, conditions)]
        if not found:
            raise _RefusedError("no series is left by its seriesQuery, seriesFilters and name.matches: it serves nothing")
        return sorted(found) if not exact else found

    def _wanted(self, name: str, conditions: Sequence[tuple[str, str]]) -> bool:
        for op, value in conditions:
            same = name == value if op in {"=", "!="} else _regex(f"^(?:{value})$").search(name) is not None
            if same == op.startswith("!"):
                return False
        if any((pattern.search(name) is not None) != wanted for pattern, wanted in self._filters):
            return False
        matches = self._name.get("matches")
        return not matches or _regex(str(matches)).search(name) is not None

    def _metric(self, series: str) -> str:
        pattern = _regex(str(self._name.get("matches") or ".*"))
        replacement = str(self._name.get("as") or "")
        if not replacement:
            if pattern.groups > 1:
                raise _RefusedError(f"name.matches {pattern.pattern!r} has {pattern.groups} groups, and name.as does not choose")
            replacement = "$1" if pattern.groups else "$0"
        match = pattern.search(series)
        metric = _expanded(replacement, match) if match is not None else ""
        if not metric or re.search(r"[\s/%?#]", metric):
            raise _RefusedError(f"name.as {replacement!r} makes {metric!r} of {series}, which cannot be the name of a metric")
        return metric

    # Association: which object a series is of.

    def _targets(self) -> list[_Target]:
        named = self._labels_of_resources()
        namespace_label = next((label for label, (_, word) in named.items() if word in _NAMESPACE), None)
        found = [
            self._target(label, group, word, namespace_label) for label, (group, word) in named.items() if word not in _NAMESPACE
        ]
        if found:
            return found
        if namespace_label != "namespace":
            raise _RefusedError(
                "resources maps no label to an object: map one, such as pod: {resource: pod}"
                if namespace_label is None
                else f"values of a namespace are known by the label namespace, and this rule has {namespace_label}"
            )
        return [_Target("namespace", "namespace", "namespace", None)]

    def _labels_of_resources(self) -> dict[str, tuple[str, str]]:
        """Return (group, resource) by label, from the overrides and from what the template makes of likely labels."""
        named: dict[str, tuple[str, str]] = {}
        template = str(self._resources.get("template") or "")
        if template:
            mentioned = self._mentioned_labels()
            for resource in ("namespaces", *_KINDS):
                plural, _, group = resource.partition(".")
                kind = "Namespace" if resource == "namespaces" else _KINDS[resource][0]
                label = _templated(template, group, kind.lower())
                if resource in {"namespaces", "pods"} or label in mentioned:
                    named[label] = (group, plural)
        overrides = self._resources.get("overrides") or {}
        for label, told in overrides.items() if isinstance(overrides, Mapping) else ():
            said = told if isinstance(told, Mapping) else {}
            group, word = str(said.get("group") or ""), str(said.get("resource") or "")
            named = {known: value for known, value in named.items() if _plural(*value) != _plural(group, word)}
            named[str(label)] = (group, word)
        if not named:
            raise _RefusedError("resources has neither template nor overrides: no label is mapped to an object")
        return named

    def _mentioned_labels(self) -> set[str]:
        selector = expression.parse(self._discovery)
        return {label for label, _, _ in selector.matchers} if isinstance(selector, Selector) else set()

    def _target(self, label: str, group: str, word: str, namespace_label: str | None) -> _Target:
        resource = _plural(group, word)
        if resource in _KINDS:
            kind, api_version, namespaced = _KINDS[resource]
        else:
            kind, api_version, namespaced = word.capitalize(), f"{group}/v1" if group else "v1", namespace_label is not None
            self.notes.append(f"{resource} is not known here: check kind {kind}, apiVersion {api_version} and its plural")
        if namespaced and namespace_label is None:
            raise _RefusedError(f"resources maps {label} to {resource} and no label to its namespace")
        scope = namespace_label if namespaced else None
        if resource == "pods" and (scope, label) in PodObject().pairs:
            return _Target("pods", "pods", label, scope)
        named = {"resource": resource, "kind": kind, "apiVersion": api_version, "nameLabel": label}
        return _Target({**named, **({"namespaceLabel": scope} if scope else {})}, resource, label, scope)

    def _external_target(self) -> _Target:
        if self._resources.get("namespaced") is False:
            return _Target("external", "external", None, None)
        try:
            named = self._labels_of_resources()
        except _RefusedError:
            named = {}
        label = next((label for label, (_, word) in named.items() if word in _NAMESPACE), "namespace")
        return _Target({"external": True, "namespaceLabel": label}, "external", None, label)

    # Querying: what is asked.

    def _body(self, series: str, target: _Target) -> RuleDocument:
        promql = self._promql(series, target)
        found = shape.of(expression.parse(promql))
        body = self._native(found, target) if found is not None else None
        return body if body is not None else self._escape(promql, target)

    def _promql(self, series: str, target: _Target) -> str:
        """Return the template filled in for all objects: no label matchers, grouped by the labels that name the object."""
        fields = {"Series": series, "LabelMatchers": _MATCHERS, "GroupBy": ", ".join(target.labels)}

        def field(match: re.Match[str]) -> str:
            if match[1] not in fields:
                raise _RefusedError(f"metricsQuery uses the template field .{match[1]}, which has no meaning ahead of a request")
            return fields[match[1]]

        text = _FIELD.sub(field, _BY_NAME.sub(_MATCHERS, self._query))
        if "<<" in text:
            raise _RefusedError("metricsQuery computes with its template: write the PromQL that it comes to as a promql rule")
        text = _BRACES.sub(_without_matchers, text)
        if _MATCHERS in text:
            raise _RefusedError("metricsQuery has .LabelMatchers outside of a selector's braces")
        if self._external and target.namespace_label is not None:
            text = _BY.sub(lambda match: _grouped_also_by(target.namespace_label or "", match[1]), text)
        return re.sub(r"\s+", " ", text).strip()

    def _native(self, found: shape.Shape, target: _Target) -> RuleDocument | None:
        labels = [label for label, _, _ in found.selector.matchers]
        if not found.selector.name or "__name__" in labels or len(set(labels)) < len(labels):
            return None
        keep: tuple[str, ...] = ()
        if self._external:
            grouped = [label for label in found.by or () if label != target.namespace_label]
            if found.reduce not in {"sum", "single"} and not grouped:
                # Its items would be added up by the HPA, where prometheus-adapter answers one.
                return None
            keep = tuple(grouped)
        elif found.by is not None and not set(target.labels) >= set(found.by) >= {target.name_label}:
            return None
        body: RuleDocument = {"series": found.selector.name}
        if found.selector.matchers:
            body["where"] = {
                label: value if op == "=" else {"op": op, "value": value} for label, op, value in found.selector.matchers
            }
        if found.measure != "latest":
            body["measure"] = found.measure
        body["reduce"] = found.reduce
        if keep:
            body["keep"] = list(keep)
        if found.factor != 1.0:
            body["factor"] = found.factor
        return body

    def _escape(self, promql: str, target: _Target) -> RuleDocument:
        aggregated = _AGGREGATION.search(promql) is not None
        clauses = [set(re.split(r"[\s,]+", match[1].strip())) for match in _BY.finditer(promql)]
        if aggregated and target.labels and not any(clause >= set(target.labels) for clause in clauses):
            raise _RefusedError(
                f"its answer has no label {' and '.join(target.labels)}, so nobody can tell whose it is: "
                f"aggregate by ({', '.join(target.labels) if self._external else '<<.GroupBy>>'})"
            )
        if self._external and aggregated and not any(clause - set(target.labels) for clause in clauses):
            self.notes.append("is aggregated over every label: an HPA's metric selector finds nothing left to select on")
        return {"promql": promql, "reduce": "single"}


def _mapping(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = told.get(key) or {}
    if not isinstance(value, Mapping):
        raise _RefusedError(f"{key} is not a mapping")
    return value


def _filters(told: Any) -> Iterator[tuple[re.Pattern[str], bool]]:
    """Yield each filter's pattern, and whether a name has to match it."""
    for entry in told if isinstance(told, Sequence) and not isinstance(told, str) else [told]:
        said = [(key, wanted) for key, wanted in (("is", True), ("isNot", False)) if isinstance(entry, Mapping) and entry.get(key)]
        if len(said) != 1:
            raise _RefusedError(f"seriesFilters has {entry!r}, which is neither is nor isNot")
        ((key, wanted),) = said
        yield _regex(str(entry[key])), wanted


def _regex(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise _RefusedError(f"{pattern!r} is no regular expression that can be read here: {error}") from error


def _listed(pattern: str) -> list[str]:
    """Return the names that *pattern* lists, none when it stands for more than a list."""
    match = _ALTERNATIVES.fullmatch(pattern)
    return match[1].split("|") if match is not None else []


def _expanded(template: str, match: re.Match[str]) -> str:
    """Return *template* as Go's ``Regexp.Expand`` does: ``$name`` takes all word characters, and an unknown group is empty."""

    def group(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return re.sub(r"\$(?:\{(\w+)\}|(\w+)|\$)", group, template)


def _templated(template: str, group: str, resource: str) -> str:
    fields = {"Group": re.sub(r"[.-]", "_", group), "Resource": resource}
    return _FIELD.sub(lambda match: fields.get(match[1], ""), template)


def _plural(group: str, word: str) -> str:
    """Return the plural with group of what a mapping calls *word*, singular or plural, with its group or without."""
    known = _PLURALS.get(word.lower())
    if known is not None and group in {"", "extensions", known.partition(".")[2]}:
        return known
    plural = word if word.endswith("s") else f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return f"{plural}.{group}" if group else plural


def _without_matchers(braces: re.Match[str]) -> str:
    kept: list[str] = []
    position = 0
    while match := _MATCHER.match(braces[1], position):
        if match[1] != _MATCHERS:
            kept.append(match[1])
        position = match.end()
        if position == len(braces[1]):
            break
    if braces[1][position:].strip():
        return braces[0]
    return f"{{{','.join(kept)}}}" if kept else ""


def _grouped_also_by(label: str, clause: str) -> str:
    labels = [each for each in re.split(r"[\s,]+", clause.strip()) if each]
    return f"by ({', '.join(labels if label in labels else [label, *labels])})"
