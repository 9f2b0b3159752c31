"""What a daemon's Deployment says of it: who it acts as, what it is told, and where its configuration is."""

from collections.abc import Sequence
from typing import Any

from adapter import settings
from adapter.errors import ConfigError
from autoscaler.doctor.seen import Document

_VOLUME, _KEY = "config", "adapter.yaml"  # in manifests/base as in the chart


def account(deployment: Document) -> str:
    """Return the service account of its pods."""
    return str(_pod(deployment).get("serviceAccountName") or "default")


def told(deployment: Document, option: str) -> tuple[str, ...]:
    """Return what it is told with *option*, each time it is there: ``--option=value``, or in two words."""
    found = []
    for container in _pod(deployment).get("containers") or ():
        words = [str(word) for word in (*(container.get("command") or ()), *(container.get("args") or ()))]
        for at, word in enumerate(words):
            name, equals, value = word.partition("=")
            if name == option:
                found.append(value if equals else next(iter(words[at + 1 :]), ""))
    return tuple(found)


def config_map(deployment: Document) -> str:
    """Return the name of the ConfigMap that an adapter is configured by; empty if it is by none."""
    volumes: Sequence[Document] = _pod(deployment).get("volumes") or ()
    found: Document = next((volume.get("configMap") or {} for volume in volumes if volume.get("name") == _VOLUME), {})
    return str(found.get("name") or "")


def scraped_namespaces(configuration: Document) -> tuple[str, ...]:
    """Return where the Services are that an adapter of this ConfigMap scrapes; nowhere if it refuses what stands there."""
    try:
        read = settings.parse(str((configuration.get("data") or {}).get(_KEY) or ""))
    except ConfigError:
        return ()
    scrapes = (source for source in read.sources if isinstance(source, settings.ScrapeSource))
    return tuple(dict.fromkeys(scrape.endpoints.namespace for scrape in scrapes if scrape.endpoints is not None))


def _pod(deployment: Document) -> dict[str, Any]:
    found: dict[str, Any] = ((deployment.get("spec") or {}).get("template") or {}).get("spec") or {}
    return found
