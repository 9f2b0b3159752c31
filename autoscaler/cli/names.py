"""Names for the shell to complete: of the scalers that there are, as long as the cluster says so quickly."""

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from autoscaler.cli import reach

if TYPE_CHECKING:
    from adapter.kube.client import Kube

#: Whoever presses a key does not wait for longer.
_PATIENCE_S = 2.0


def scalers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return what *incomplete* may become: NAME in the namespace that is told, or else NAMESPACE/NAME and one's own NAMEs.

    Nothing where the cluster cannot be read, for whatever reason: a completion is no place to complain.
    """
    told = ctx.params
    kubeconfig, context, namespace = told.get("kubeconfig"), told.get("kube_context"), told.get("namespace")
    logging.disable()
    try:
        own = namespace or reach.own_namespace(kubeconfig, context)
        found = reach.connected(lambda kube: asyncio.wait_for(_listed(kube, namespace), _PATIENCE_S), kubeconfig, context)
    except Exception:  # noqa: BLE001 - see above
        return []
    finally:
        logging.disable(logging.NOTSET)
    return sorted(name for name in _spelled(found, own, everywhere=namespace is None) if name.startswith(incomplete))


async def _listed(kube: "Kube", namespace: str | None) -> list[tuple[str, str]]:
    from autoscaler.cli import fleet

    documents = await fleet.read(kube, namespace, None)
    return [(str(each["metadata"]["namespace"]), str(each["metadata"]["name"])) for each in documents]


def _spelled(found: Iterable[tuple[str, str]], own: str, *, everywhere: bool) -> Iterable[str]:
    for namespace, name in found:
        if namespace == own:
            yield name
        if everywhere:
            yield f"{namespace}/{name}"
