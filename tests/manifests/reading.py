"""The shipped manifests as documents, each with the file that it stands in."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2] / "manifests"
CHART = ROOT / "chart"


class Manifest(NamedTuple):
    """One document of one file."""

    file: str  # below manifests/
    document: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Return the document's kind; configurations of our own have none."""
        return str(self.document.get("kind", ""))

    @property
    def name(self) -> str:
        """Return the object's name."""
        return str(self.document["metadata"]["name"])


@cache
def everything() -> tuple[Manifest, ...]:
    """Return every document of every file; the chart's files are templates, and `rendering` has what they say."""
    files = sorted(path for path in ROOT.rglob("*.yaml") if not path.is_relative_to(CHART))
    return tuple(
        Manifest(str(path.relative_to(ROOT)), document) for path in files for document in yaml.safe_load_all(path.read_text())
    )


def of_kind(kind: str, folder: str = "base") -> list[Manifest]:
    """Return the documents of *kind* below *folder*."""
    return [found for found in everything() if found.kind == kind and found.file.startswith(f"{folder}/")]


def one(kind: str, folder: str = "base") -> Mapping[str, Any]:
    """Return the only document of *kind* below *folder*."""
    (found,) = of_kind(kind, folder)
    return found.document


def mappings(node: object) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping in a document, however deep."""
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from mappings(value)
    elif isinstance(node, list):
        for value in node:
            yield from mappings(value)
