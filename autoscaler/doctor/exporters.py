"""Which dcgm-exporters there are, and how often they read the GPUs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoscaler.doctor.gpus import DEFAULT_INTERVAL_S
from autoscaler.doctor.seen import Document, Exporter, Unread

_NAME = "dcgm-exporter"
_VARIABLE = "DCGM_EXPORTER_INTERVAL"
_FLAGS = ("-c", "--collect-interval")


def of(daemon_sets: Sequence[Document] | Unread) -> Sequence[Exporter] | Unread:
    """Return the exporters among *daemon_sets*."""
    return daemon_sets if isinstance(daemon_sets, Unread) else tuple(_exporters(daemon_sets))


def _exporters(daemon_sets: Sequence[Document]) -> Iterator[Exporter]:
    for each in daemon_sets:
        metadata = each["metadata"]
        template: Any = ((each.get("spec") or {}).get("template") or {}).get("spec") or {}
        for container in template.get("containers") or ():
            if _NAME in str(container.get("image")).rpartition("/")[2] or _NAME in str(container.get("name")):
                told = _interval_ms(container)
                yield Exporter(
                    name=f"{metadata.get('namespace')}/{metadata.get('name')}",
                    interval_s=DEFAULT_INTERVAL_S if told is None else told / 1000.0,
                    told=told is not None,
                )
                break


def _interval_ms(container: Mapping[str, Any]) -> int | None:
    """Return what *container* is told; a flag is stronger than the variable."""
    words = [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in _FLAGS:
            return _whole(value if equals else next(iter(words[at + 1 :]), ""))
    for variable in container.get("env") or ():
        if variable.get("name") == _VARIABLE:
            return _whole(str(variable.get("value")))
    return None


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and int(text) > 0 else None
