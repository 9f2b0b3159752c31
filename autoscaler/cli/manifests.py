"""Files of manifests, as the commands that look at InferenceScalers read them."""

import sys
import zoneinfo
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapter import errors
from autoscaler.errors import InvalidScalerError, Problem
from autoscaler.resource import policy
from autoscaler.resource.scaler import Scaler


def read(file: Path) -> list[object]:
    """Return the documents in *file*, of standard input for ``-``.

    Raises:
        ConfigError: it cannot be read, or is not YAML.

    """
    import yaml

    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        return list(yaml.safe_load_all(text))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise errors.ConfigError(str(file), [errors.Problem("", f"cannot be read as YAML: {error}")]) from error


def of_kind(documents: Sequence[object], kind: str) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Return the objects of *kind* among *documents*, those of lists too, and the names of whatever else there is."""
    found: list[Mapping[str, Any]] = []
    others: list[str] = []
    for document in documents:
        if not isinstance(document, Mapping):
            others += [] if document is None else ["something that is no object"]
        elif document.get("kind") == kind:
            found.append(document)
        elif str(document.get("kind")).endswith("List") and isinstance(document.get("items"), list):
            inside, strangers = of_kind(document["items"], kind)
            found += inside
            others += strangers
        else:
            others.append(f"{document.get('kind')} {name(document)}")
    return found, others


def name(document: Mapping[str, Any]) -> str:
    """Return the name of what *document* describes, with its namespace where it says one."""
    metadata = document.get("metadata")
    told = metadata if isinstance(metadata, Mapping) else {}
    return "/".join(str(told[key]) for key in ("namespace", "name") if told.get(key)) or "without a name"


def scaler(document: Mapping[str, Any]) -> Scaler:
    """Return the InferenceScaler that *document* describes; raise `InvalidScalerError` as `policy.read` does."""
    return policy.read(document, known_zone=zoneinfo.available_timezones().__contains__)


def problems(document: Mapping[str, Any]) -> Sequence[Problem]:
    """Return what is wrong with the InferenceScaler *document*."""
    try:
        scaler(document)
    except InvalidScalerError as error:
        return error.problems
    return ()
