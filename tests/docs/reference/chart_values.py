"""Every value of the Helm chart: its default and its comment from values.yaml, what may stand there from the schema."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from tests.docs.reference import table
from tests.manifests import reading

_HEAD = """# Values of the chart

What `helm install leadtime manifests/chart --set NAME=VALUE` takes. What is not here is refused, and so is what is out of range,
each with its name. [Install](../install.md) says which of them you may want. Rendered with the defaults, the chart gives the
objects of `manifests/base`. Names are those of KEDA's chart where they mean the same.

This page is made of `manifests/chart/values.yaml` and `values.schema.json` by `python -m tests.docs.generate`.
"""
_MERGE = "tag:yaml.org,2002:merge"


class Value(NamedTuple):
    """A value of the chart."""

    path: tuple[str, ...]
    default: object
    comment: str


def page() -> str:
    """Return the page: a section for each of the first names that has values below it."""
    lines = [_HEAD]
    schema = json.loads((reading.CHART / "values.schema.json").read_text(encoding="utf-8"))
    groups: dict[str, list[Value]] = {}
    for value in values():
        groups.setdefault(value.path[0], []).append(value)
    for name, found in groups.items():
        if len(found) == 1:
            continue
        about = found[0].comment if found[0].path == (name,) else ""
        lines += [f"## {name}\n", *([f"{about}\n"] if about else [])]
        lines.append(_table(schema, (each for each in found if each.path != (name,))))
    lines += ["## What is one value\n", _table(schema, (found[0] for found in groups.values() if len(found) == 1))]
    return "\n".join(lines).rstrip() + "\n"


def _table(schema: Mapping[str, Any], found: Iterable[Value]) -> str:
    cells = (
        [f"`{'.'.join(each.path)}`", _spelled(each.default), _allowed(schema, _place(schema, each.path)), each.comment]
        for each in found
    )
    return table(["value", "default", "may be", ""], cells) + "\n"


def values() -> Iterator[Value]:
    """Yield every value that may be set, in the order of the file; a group of them comes before what is in it, if it is told of."""
    text = (reading.CHART / "values.yaml").read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        raise TypeError("values.yaml is no mapping")
    yield from _values(root, (), text.splitlines(), yaml.safe_load(text))


def _values(node: yaml.MappingNode, above: tuple[str, ...], lines: list[str], default: Any) -> Iterator[Value]:
    told = {key.value: (key, value) for key, value in node.value if key.tag != _MERGE}
    for name in default:
        path = (*above, name)
        key, value = told.get(name, (None, None))
        comment = _comment(lines, key.start_mark.line, value) if key is not None else ""
        # A block is a group; what is written in braces on one line is one value, and so is what a merge brings along.
        if isinstance(value, yaml.MappingNode) and not value.flow_style and value.start_mark.line > key.start_mark.line:
            if comment:
                yield Value(path, None, comment)
            yield from _values(value, path, lines, default[name])
        else:
            yield Value(path, default[name], comment)


def _comment(lines: list[str], at: int, value: Any) -> str:
    """Return what is said above a key and behind it, as one text."""
    said: list[str] = []
    above = at - 1
    indent = len(lines[at]) - len(lines[at].lstrip())
    while above >= 0 and lines[above].lstrip().startswith("#") and len(lines[above]) - len(lines[above].lstrip()) == indent:
        said.insert(0, lines[above].lstrip().removeprefix("#").strip())
        above -= 1
    if above < 0:
        said = []  # the words at the head of the file are about all of it
    _, mark, behind = lines[at].partition(" # ")
    # Behind the key of a block too: what is on its line is about it.
    return " ".join([*said, *([behind.strip()] if mark else [])])


def _spelled(default: object) -> str:
    if default is None:
        return ""
    return f"`{default}`" if isinstance(default, str) and default else f"`{json.dumps(default, ensure_ascii=False)}`"


def _place(schema: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what the schema says of *path*."""
    node: Mapping[str, Any] = schema
    for name in path:
        node = _resolved(schema, node)
        options = [node, *(_resolved(schema, each) for each in (*node.get("anyOf", ()), *node.get("allOf", ())))]
        node = next((each["properties"][name] for each in options if name in each.get("properties", {})), {})
    return _resolved(schema, node)


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in node:
        node = schema["definitions"][node["$ref"].rpartition("/")[2]]
    return node


def _allowed(schema: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """Return in words what *node* lets through."""
    if "enum" in node:
        return " · ".join(f"`{word}`" if word != "" else "nothing" for word in node["enum"])
    if "const" in node:
        return f"`{node['const']}`" if node["const"] != "" else "nothing"
    kind, low, high = node.get("type"), node.get("minimum"), node.get("maximum")
    if kind is None and "anyOf" in node:
        return " or ".join(dict.fromkeys(found for each in node["anyOf"] if (found := _allowed(schema, _resolved(schema, each)))))
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind in ("integer", "number"):
        bounds = f", {low:g} to {high:g}" if None not in (low, high) else f", at least {low:g}" if low is not None else ""
        described = f"; {node['description']}" if "description" in node and not bounds else ""
        return f"{'whole number' if kind == 'integer' else 'number'}{bounds}{described}"
    if kind == "array":
        of = _allowed(schema, _resolved(schema, node.get("items", {})))
        return f"list of {of}" if of else "list"
    if kind == "string" and "pattern" in node:
        return node.get("description", "text")
    return {"string": "text", "object": "mapping", "boolean": "`true` · `false`"}.get(kind or "", "")
