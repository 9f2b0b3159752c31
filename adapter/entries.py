"""The entries of a configuration file, each checked by itself.

Every entry is looked at twice: field by field (`schema`), and as a whole by the functions below, which see what the file says even
where a field of it is wrong. So one look shows every problem. What entries mean together is `settings`' question.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pydantic

from adapter import schema
from adapter.rules import model, presets
from adapter.yamltext import Place

#: A place, and what is wrong there.
What = tuple[Place, str]

_Entry = TypeVar("_Entry", bound=schema.Entry)
#: Yields what is wrong with an entry as a whole.
_Whole = Callable[[Mapping[Any, Any]], Iterator[What]]


@dataclass(frozen=True, slots=True)
class Entries(Generic[_Entry]):
    """The entries of one list."""

    good: Mapping[int, _Entry]  # by their positions
    refused: frozenset[str | None]  # the names of the others, None for one that has none
    count: int


@dataclass(frozen=True, slots=True)
class File:
    """The entries of a file, and everything that is wrong with any of them by itself."""

    sources: Entries[schema.Source]
    rules: Entries[schema.Rule]
    problems: tuple[What, ...]


def read(content: object) -> File:
    """Return the entries of a file's *content*."""
    problems: list[What] = []
    if not isinstance(content, Mapping):
        return File(Entries({}, frozenset(), 0), Entries({}, frozenset(), 0), (((), "must be a mapping with sources and rules"),))
    problems += [((str(key),), _WORDS["extra_forbidden"]) for key in content if key not in ("sources", "rules")]
    sources = _entries("sources", content, schema.Source, _of_source, problems)
    rules = _entries("rules", content, schema.Rule, _of_rule, problems)
    return File(sources, rules, tuple(problems))


def _entries(key: str, content: Mapping[Any, Any], kind: type[_Entry], whole: _Whole, problems: list[What]) -> Entries[_Entry]:
    told = content.get(key)
    if key not in content:
        problems.append(((key,), _WORDS["missing"]))
    elif not isinstance(told, list):
        problems.append(((key,), _WORDS["tuple_type"]))
    elif not told:
        problems.append(((key,), "must have at least one entry"))
    good: dict[int, _Entry] = {}
    refused: set[str | None] = set()
    entries = told if isinstance(told, list) else []
    for position, entry in enumerate(entries):
        found, wrong = _checked(entry, kind, whole)
        problems += [((key, position, *place), message) for place, message in wrong]
        if found is not None and not wrong:
            good[position] = found
        else:
            name = entry.get("name") if isinstance(entry, Mapping) else None
            refused.add(name if isinstance(name, str) else None)
    return Entries(good, frozenset(refused), len(entries))


def _checked(entry: object, kind: type[_Entry], whole: _Whole) -> tuple[_Entry | None, list[What]]:
    wrong = list(whole(entry)) if isinstance(entry, Mapping) else []
    try:
        return kind.model_validate(entry), wrong
    except pydantic.ValidationError as error:
        return None, [*(what(detail) for detail in error.errors(include_url=False)), *wrong]


def _of_source(entry: Mapping[Any, Any]) -> Iterator[What]:
    kinds = [kind for kind in ("prometheus", "scrape") if entry.get(kind) is not None]
    if len(kinds) != 1:
        yield (), "a source is either prometheus or scrape: give one of the two"
    for kind in kinds:
        told = entry[kind]
        if isinstance(told, Mapping):
            yield from (((kind, *place), message) for place, message in _of_access(told))
    scraped = entry.get("scrape")
    if isinstance(scraped, Mapping) and sum(bool(scraped.get(key)) for key in ("pods", "endpoints", "static")) != 1:
        yield ("scrape",), "say what to scrape: one of pods, endpoints or static"


def _of_access(told: Mapping[Any, Any]) -> Iterator[What]:
    auth, tls = told.get("auth"), told.get("tls")
    if isinstance(tls, Mapping) and (tls.get("certFile") is None) != (tls.get("keyFile") is None):
        yield ("tls",), "certFile and keyFile come together: give both or neither"
    if not isinstance(auth, Mapping):
        return
    username = auth.get("username")
    if (username is None) != (auth.get("passwordFile") is None):
        yield ("auth",), "username and passwordFile come together: give both or neither"
    if username is not None and auth.get("bearerTokenFile") is not None:
        yield ("auth",), "bearerTokenFile and username exclude each other: keep one"
    if isinstance(username, str) and (":" in username or not username.isprintable()):
        yield ("auth", "username"), "holds neither a colon nor control characters"


def _of_rule(entry: Mapping[Any, Any]) -> Iterator[What]:
    preset = entry.get("preset")
    if preset is not None:
        if preset not in presets.names():
            yield ("preset",), f"no preset is named {preset}: there are {', '.join(presets.names())}"
        for key in entry:
            if key in _RULE_KEYS and key not in ("preset", "only", "source", "maxAge", "name"):
                yield (str(key),), "does not go with a preset, which takes source, name, only and maxAge"
        return
    if entry.get("only") is not None:
        yield ("only",), "narrows a preset, and this rule has none"
    if entry.get("metric") is None:
        yield ("metric",), "is missing: the name to serve the values under (or name a preset)"
    if entry.get("reduce") is None:
        yield ("reduce",), "is missing: how several series of one object become one (sum, mean, max, min, or single)"
    if bool(entry.get("series")) == (entry.get("promql") is not None):
        yield ("promql",) if entry.get("series") else (), "give series or promql: one of the two"
    if entry.get("promql") is not None:
        for key in ("where", "measure"):
            if entry.get(key) is not None:
                yield (key,), "belongs to series: put it into the promql expression"
    yield from _of_measure(entry)
    yield from _of_object(entry)


def _of_measure(entry: Mapping[Any, Any]) -> Iterator[What]:
    measure, series = entry.get("measure"), schema.one_or_more(entry.get("series"))
    if isinstance(measure, Mapping) and "quantile" in measure and isinstance(series, Sequence):
        for name in series:
            if isinstance(name, str) and name.endswith("_bucket"):
                yield ("series",), f"{name} are the buckets: a quantile is taken of the histogram, {name.removesuffix('_bucket')}"


def _of_object(entry: Mapping[Any, Any]) -> Iterator[What]:
    described = entry.get("object", "pods")
    resource = described.get("resource") if isinstance(described, Mapping) else None
    external = described == "external" or (isinstance(described, Mapping) and "external" in described)
    if described != "pods" and resource != "pods":
        if entry.get("owner") is not None:
            yield ("owner",), "folds the values of pods, and this rule describes none"
    elif entry.get("owner") is None and entry.get("minCoverageRatio") is not None:
        yield ("minCoverageRatio",), "says nothing without owner, which folds the values of pods"
    if resource == "pods" and isinstance(described, Mapping) and described.get("namespaceLabel") is None:
        yield ("object",), "pods have a namespace: give namespaceLabel too"
    if resource in _NOT_OBJECTS:
        yield ("object", "resource"), f"{resource} is no resource to describe: {_NOT_OBJECTS[resource]}"
    if external and entry.get("metric") in ("status", "finalize"):
        yield ("metric",), "is read as a part of the namespace object: give the external metric another name"


_NOT_OBJECTS = {
    "namespaces": "write object: namespace",
    model.NAMESPACE_RESOURCE: "write object: namespace",
    model.EXTERNAL_RESOURCE: "write object: external",
}
_RULE_KEYS = frozenset(field.alias for field in schema.Rule.model_fields.values())

_WORDS = {
    "extra_forbidden": "is not a known field: check its spelling",
    "missing": "is missing",
    "tuple_type": "must be a list",
    "string_type": "must be text: put it in quotes",
    "path_type": "must be the path of a file",
    "model_type": "must be a mapping",
    "dict_type": "must be a mapping",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
}


def what(detail: Any) -> What:
    """Return where in the file a problem of pydantic's stands, and what it is in the words of a configuration."""
    place = tuple(step for step in detail["loc"] if isinstance(step, int) or not (step.startswith("<") or step == "[key]"))
    kind = detail["type"]
    if kind == "missing" and place and place[-1] == "value" and "where" in place:
        return place, "is missing: what the label is compared with"
    message = _WORDS.get(kind) or str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    return place, message
