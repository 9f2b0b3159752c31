"""The page's own files: read once, served with a tag by which a browser knows that its copy is still good."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Final

INDEX: Final = "index.html"
_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file."""

    body: bytes
    content_type: str
    tag: str


def load() -> dict[str, Asset]:
    """Return every file by its name."""
    folder = resources.files("autoscaler.page") / "static"
    found = {}
    for file in folder.iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is not None:
            body = file.read_bytes()
            found[file.name] = Asset(body, kind, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return found
