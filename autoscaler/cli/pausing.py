"""`leadtime pause` and `leadtime resume`: leave a target's replicas as they are, and go on as before."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import names, reach, terminal
from autoscaler.resource.scaler import GROUP

if TYPE_CHECKING:
    from adapter.kube.client import Kube

#: The mode that `resume` goes back to.
_BEFORE = f"{GROUP}/mode-before-pause"
_PAUSED = "Paused"

Name = Annotated[str, typer.Argument(help="The InferenceScaler: NAME or NAMESPACE/NAME.", autocompletion=names.scalers)]


def pause(
    name: Name,
    namespace: reach.Namespace = None,
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Set mode Paused: the replicas stay as they are, whatever the load. `leadtime resume` ends it.

    A tool that keeps the object as it is in git (Argo CD, Flux) takes it back: pause there.
    """
    place, short = reach.named(name, namespace, kubeconfig, kube_context)
    reach.connected(lambda kube: _pause(kube, place, short), kubeconfig, kube_context)


def resume(
    name: Name,
    namespace: reach.Namespace = None,
    kubeconfig: reach.Kubeconfig = None,
    kube_context: reach.Context = None,
) -> None:
    """Go on in the mode that there was before `leadtime pause`; Recommend, which sets nothing, if that is not known."""
    place, short = reach.named(name, namespace, kubeconfig, kube_context)
    reach.connected(lambda kube: _resume(kube, place, short), kubeconfig, kube_context)


async def _pause(kube: "Kube", namespace: str, name: str) -> None:
    from autoscaler.cli import writing

    document = await writing.read(kube, namespace, name)
    mode = _mode(document)
    if mode == _PAUSED:
        terminal.tell(f"{namespace}/{name} is paused already")
        return
    await writing.patch(kube, document, {"metadata": {"annotations": {_BEFORE: mode}}, "spec": {"mode": _PAUSED}})
    replicas = (document.get("status") or {}).get("currentReplicas")
    stays = "its replicas stay as they are" if replicas is None else f"it stays at {replicas}"
    terminal.tell(f"{namespace}/{name} paused; {stays} until `leadtime resume {namespace}/{name}`")


async def _resume(kube: "Kube", namespace: str, name: str) -> None:
    from autoscaler.cli import writing

    document = await writing.read(kube, namespace, name)
    mode = _mode(document)
    if mode != _PAUSED:
        terminal.tell(f"{namespace}/{name} is not paused: its mode is {mode}")
        return
    before = (document["metadata"].get("annotations") or {}).get(_BEFORE)
    found = before if before in {"Auto", "Recommend"} else "Recommend"
    await writing.patch(kube, document, {"metadata": {"annotations": {_BEFORE: None}}, "spec": {"mode": found}})
    terminal.tell(f"{namespace}/{name} resumed in mode {found}")
    if found != before:
        act = f'kubectl patch isc {name} --namespace={namespace} --type=merge --patch=\'{{"spec":{{"mode":"Auto"}}}}\''
        terminal.complain(f"note: its mode before the pause is not known, so it sets nothing; to have it act: {act}")


def _mode(document: dict[str, Any]) -> str:
    return str((document.get("spec") or {}).get("mode") or "Recommend")
