"""The three patch languages of the API: merge patch (RFC 7386), JSON patch (RFC 6902) and Kubernetes' strategic merge patch.

Each function takes a document and returns a new one; neither the document nor the patch is changed.
"""

from typing import Any

from autoscaler.sandbox.objects import Obj, clone

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"

# By which field the items of a list are the same item; a list that is not here is replaced as a whole. Where a name means
# different lists in different places, the field above it decides.
_MERGE_KEYS: dict[str, str] = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "resourceClaims": "name",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_MERGE_KEYS_BELOW: dict[tuple[str, str], str] = {
    ("containers", "ports"): "containerPort",
    ("initContainers", "ports"): "containerPort",
    ("spec", "ports"): "port",
}
_MERGED_PRIMITIVES = frozenset({"finalizers"})


class PatchError(Exception):
    """The patch itself is malformed."""


class PatchRejectedError(Exception):
    """The patch is well formed and does not fit the document."""


def merge(document: Any, patch: Any) -> Any:
    """Return *document* after an RFC 7386 merge patch: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json(document: Any, operations: Any) -> Any:
    """Return *document* after the operations of an RFC 6902 patch, in order and all or none."""
    if not isinstance(operations, list):
        raise PatchError("a JSON patch is a list of operations")
    result = clone(document)
    for operation in operations:
        if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
            raise PatchError("every operation of a JSON patch has an op and a path")
        result = _operate(result, operation)
    return result


def _operate(document: Any, operation: Obj) -> Any:
    path = operation["path"]
    match operation.get("op"):
        case "add":
            return _add(document, path, clone(_value(operation)))
        case "remove":
            return _remove(document, path)
        case "replace":
            return _replace(document, path, clone(_value(operation)))
        case "test":
            if _look(document, path) != _value(operation):
                raise PatchRejectedError(f"testing path {path} failed")
            return document
        case "copy":
            return _add(document, path, clone(_look(document, operation["from"])))
        case "move":
            value = _look(document, operation["from"])
            return _add(_remove(document, operation["from"]), path, value)
        case other:
            raise PatchError(f"unexpected operation {other!r} in a JSON patch")


def _value(operation: Obj) -> Any:
    if "value" not in operation:
        raise PatchError(f"the operation at {operation['path']} has no value")
    return operation["value"]


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise PatchError(f"a path starts with /: {path}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _step(container: Any, part: str, path: str) -> Any:
    if isinstance(container, dict) and part in container:
        return container[part]
    if isinstance(container, list) and part.isdigit() and int(part) < len(container):
        return container[int(part)]
    raise PatchRejectedError(f"path {path} does not exist")


def _look(document: Any, path: str) -> Any:
    for part in _pointer(path):
        document = _step(document, part, path)
    return document


def _add(document: Any, path: str, value: Any) -> Any:
    parts = _pointer(path)
    if not parts:
        return value
    parent = document
    for part in parts[:-1]:
        parent = _step(parent, part, path)
    last = parts[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdigit() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise PatchRejectedError(f"path {path} does not exist")
    return document


def _replace(document: Any, path: str, value: Any) -> Any:
    """Return *document* with *value* at *path*; as in the API server, a key that is not there yet is added."""
    parts = _pointer(path)
    if not parts:
        return value
    parent = document
    for part in parts[:-1]:
        parent = _step(parent, part, path)
    if isinstance(parent, dict):
        parent[parts[-1]] = value
    else:
        _step(parent, parts[-1], path)
        parent[int(parts[-1])] = value
    return document


def _remove(document: Any, path: str) -> Any:
    parts = _pointer(path)
    if not parts:
        return None
    parent = document
    for part in parts[:-1]:
        parent = _step(parent, part, path)
    _step(parent, parts[-1], path)
    if isinstance(parent, dict):
        del parent[parts[-1]]
    else:
        del parent[int(parts[-1])]
    return document


def strategic(document: Any, patch: Any) -> Any:
    """Return *document* after a strategic merge patch: as `merge`, and lists with a merge key merge item by item."""
    if not isinstance(patch, dict):
        raise PatchError("a strategic merge patch is an object")
    return _strategic(document if isinstance(document, dict) else {}, patch, "")


def _strategic(document: Obj, patch: Obj, field: str) -> Obj:
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: clone(value) for key, value in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    result = dict(document)
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            below = result.get(key)
            result[key] = _strategic(below if isinstance(below, dict) else {}, value, key)
        elif isinstance(value, list):
            result[key] = _list(result.get(key) or [], value, parent=field, field=key)
        else:
            result[key] = value
    return _directed(result, patch, field)


def _directed(result: Obj, patch: Obj, field: str) -> Obj:
    """Return *result* after the directives that *patch* holds beside its values."""
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, items in patch.items():
        directive, _, name = key.partition("/")
        if name not in result:
            continue
        if directive == "$deleteFromPrimitiveList":
            result[name] = [item for item in result[name] if item not in items]
        elif directive == "$setElementOrder":
            result[name] = _ordered(result[name], items, parent=field, field=name)
    return result


def _merge_key(parent: str, field: str) -> str | None:
    return _MERGE_KEYS_BELOW.get((parent, field)) or _MERGE_KEYS.get(field)


def _list(before: list[Any], patch: list[Any], *, parent: str, field: str) -> list[Any]:
    if field in _MERGED_PRIMITIVES:
        return [*before, *(item for item in patch if item not in before)]
    key = _merge_key(parent, field)
    if key is None or not all(isinstance(item, dict) for item in (*before, *patch)):
        return [clone(item) for item in patch]
    if any(item.get("$patch") == "replace" for item in patch):
        return [clone(item) for item in patch if item.get("$patch") != "replace"]
    result = list(before)
    for item in patch:
        if key not in item:
            raise PatchError(f"an item of {field} has no {key}, which says which item it is")
        place = next((index for index, old in enumerate(result) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            result = [old for old in result if old.get(key) != item[key]]
        elif place is None:
            result.append(_strategic({}, item, field))
        else:
            result[place] = _strategic(result[place], item, field)
    return result


def _ordered(items: list[Any], order: list[Any], *, parent: str, field: str) -> list[Any]:
    key = _merge_key(parent, field)

    def identity(item: Any) -> Any:
        return item.get(key) if isinstance(item, dict) else item

    wanted = [identity(item) for item in order]
    ranked = sorted((item for item in items if identity(item) in wanted), key=lambda item: wanted.index(identity(item)))
    return [*ranked, *(item for item in items if identity(item) not in wanted)]
