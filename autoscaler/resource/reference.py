"""The reference of every field, made of the same schema as the CustomResourceDefinition: tables for `docs/inferencescaler.md`.

``python -m autoscaler.resource.reference`` prints the document given on standard input with its tables made anew.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from autoscaler.resource import metrics
from autoscaler.resource.definition import Schema, fields, structural
from autoscaler.resource.schema import Spec
from autoscaler.resource.status import Status

_TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """Return the document *text* with its tables made anew."""
    return _TABLE.sub(lambda found: f"{found[1]}{_TABLES[found[2]]()}\n{found[3]}", text)


def _spec() -> str:
    return "\n".join(["| field | type | default | |", "|---|---|---|---|", *_rows(structural(Spec))])


def _rows(schema: Schema) -> Iterator[str]:
    """Yield a row for each field; what has been told of one place is not told again of another."""
    told: list[tuple[str, Schema]] = []
    folded: list[str] = []
    for path, field, required in fields(schema, "spec"):
        if path.startswith(tuple(folded)):
            continue
        name, about = path.removeprefix("spec."), field.get("description", "")
        parts = field.get("properties")
        same = next((where for where, before in told if parts and before == parts), None)
        if same is not None:
            folded.append(f"{path}.")
            about += f" Its fields are those of `{same}`."
        elif parts:
            told.append((name, parts))
        default = "**required**" if required else f"`{_spelled(field['default'])}`" if "default" in field else ""
        yield f"| `{name}` | {_type(field)} | {default} | {about} |"


def _status() -> str:
    rows = (
        f"| `{path.removeprefix('status.')}` | {_type(field)} | {field.get('description', '')} |"
        for path, field, _ in fields(structural(Status), "status")
    )
    return "\n".join(["| field | type | |", "|---|---|---|", *rows])


def _kinds() -> str:
    kinds: dict[str, list[str]] = {}
    for name, known in metrics.NAMES.items():
        kinds.setdefault(known.kind, []).append(f"`{name}`{' (0 to 100)' if known.percent else ''}")
    return "\n".join(["| kind | metrics |", "|---|---|", *(f"| `{kind}` | {', '.join(names)} |" for kind, names in kinds.items())])


_TABLES: Mapping[str, Callable[[], str]] = {"spec": _spec, "status": _status, "kinds": _kinds}


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in field:
        return " · ".join(f"`{word}`" for word in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}s"
    return f"{field['type']}{_range(field)}"


def _range(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        strict = field.get("exclusiveMinimum") or field.get("exclusiveMaximum")
        return f", between {low:g} and {high:g}" if strict else f", {low:g} to {high:g}"
    return f", at least {low:g}" if low is not None else ""


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    import sys

    print(filled(sys.stdin.read()), end="")  # noqa: T201
