"""Structural schemas of custom kinds: unknown fields are pruned, defaults filled in, and what remains is checked.

It covers the part of OpenAPI v3 that definitions in use are written in; CEL rules and formats are left to a real API server.
"""

import re
from collections.abc import Iterator
from typing import Any

from autoscaler.sandbox.objects import Obj, clone

Cause = tuple[str, str, str]  # field, reason, message

_ROOT = ("apiVersion", "kind", "metadata")
_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"


def prune(schema: Obj, obj: Obj) -> None:
    """Remove from *obj*, in place, the fields that *schema* does not know."""
    properties = schema.get("properties") or {}
    if not schema.get(_PRESERVE):
        for key in [key for key in obj if key not in properties and key not in _ROOT]:
            del obj[key]
    for key, below in properties.items():
        if key in obj and key not in _ROOT:
            _prune(below, obj[key])


def _prune(schema: Obj, value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _prune(schema.get("items") or {}, item)
        return
    if not isinstance(value, dict):
        return
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    for key in list(value):
        if key in properties:
            _prune(properties[key], value[key])
        elif isinstance(others, dict):
            _prune(others, value[key])
        elif not others and not schema.get(_PRESERVE) and not schema.get("x-kubernetes-embedded-resource"):
            del value[key]


def fill(schema: Obj, value: Any) -> None:
    """Fill in *schema*'s defaults, in place; an object that is not there is not made up unless it has a default itself."""
    if isinstance(value, list):
        for item in value:
            fill(schema.get("items") or {}, item)
    if not isinstance(value, dict):
        return
    for key, below in (schema.get("properties") or {}).items():
        if "default" in below and (key not in value or (value[key] is None and not below.get("nullable"))):
            value[key] = clone(below["default"])
        if key in value:
            fill(below, value[key])
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        for item in value.values():
            fill(others, item)


def problems(schema: Obj, obj: Obj) -> list[Cause]:
    """Return everything in *obj* that *schema* does not allow."""
    required = schema.get("required") or ()
    found: list[Cause] = [(key, "FieldValueRequired", "Required value") for key in required if key not in obj]
    for key, below in (schema.get("properties") or {}).items():
        if key in obj and key not in _ROOT:
            found.extend(_problems(below, obj[key], key))
    return found


def _problems(schema: Obj, value: Any, path: str) -> Iterator[Cause]:
    if value is None and schema.get("nullable"):
        return
    if not _is_type(schema, value):
        wanted, sent = schema.get("type", "integer or string"), _type_name(value)
        why = f'Invalid value: "{sent}": {path} in body must be of type {wanted}: "{sent}"'
        yield (path, "FieldValueTypeInvalid", why)
        return
    if "enum" in schema and value not in schema["enum"]:
        supported = ", ".join(f'"{item}"' for item in schema["enum"])
        yield (path, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {supported}')
    if isinstance(value, dict):
        for key in schema.get("required") or ():
            if key not in value:
                yield (f"{path}.{key}", "FieldValueRequired", "Required value")
        others = schema.get("additionalProperties")
        for key, item in value.items():
            below = (schema.get("properties") or {}).get(key, others if isinstance(others, dict) else None)
            if below is not None:
                yield from _problems(below, item, f"{path}.{key}")
    elif isinstance(value, list):
        yield from _size(schema, len(value), path, "Items", "items")
        for index, item in enumerate(value):
            yield from _problems(schema.get("items") or {}, item, f"{path}[{index}]")
    elif isinstance(value, str):
        yield from _size(schema, len(value), path, "Length", "chars long")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            why = f"Invalid value: \"{value}\": {path} in body should match '{schema['pattern']}'"
            yield (path, "FieldValueInvalid", why)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _range(schema, value, path)


def _range(schema: Obj, value: float, path: str) -> Iterator[Cause]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield (path, "FieldValueInvalid", f"Invalid value: {value}: {path} in body should be {word} {low}")
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield (path, "FieldValueInvalid", f"Invalid value: {value}: {path} in body should be {word} {high}")


def _size(schema: Obj, size: int, path: str, what: str, words: str) -> Iterator[Cause]:
    low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
    if low is not None and size < low:
        yield (path, "FieldValueInvalid", f"Invalid value: {size}: {path} in body should have at least {low} {words}")
    if high is not None and size > high:
        yield (path, "FieldValueTooMany", f"Too many: {size}: {path} in body should have at most {high} {words}")


def _is_type(schema: Obj, value: Any) -> bool:
    if schema.get(_INT_OR_STRING):
        return isinstance(value, int | str) and not isinstance(value, bool)
    match schema.get("type"):
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            return whole and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return True


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    return names.get(type(value), type(value).__name__)
