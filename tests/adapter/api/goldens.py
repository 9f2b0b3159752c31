"""Golden files: wire documents, read in review like code. ``UPDATE_GOLDEN=1 pytest …`` rewrites them; read the diff."""

import json
import os
from pathlib import Path

FOLDER = Path(__file__).parent / "golden"


def check(name: str, content: object) -> None:
    """Compare *content* (JSON text as bytes, or what json can write) with the golden file *name*, key by key and in order."""
    decoded = json.loads(content) if isinstance(content, bytes) else content
    text = json.dumps(decoded, indent=2, ensure_ascii=False) + "\n"
    file = FOLDER / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.write_text(text, encoding="utf-8")
    assert file.exists(), f"{file.name} is new: look at what UPDATE_GOLDEN=1 writes, and commit it"
    assert text == file.read_text(encoding="utf-8")
