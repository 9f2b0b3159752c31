"""The scalers that a command is about, read as often as it looks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autoscaler.cli import reach, terminal
from autoscaler.resource.scaler import API_VERSION, GROUP, KIND

if TYPE_CHECKING:
    from adapter.kube.client import Kube

Document = dict[str, Any]
AllNamespaces = Annotated[bool, typer.Option("--all-namespaces", "-A", help="Those of all namespaces, as without --namespace.")]
FORMATS = ("table", "wide", "json", "yaml", "name")


def checked(output: str, formats: Sequence[str] = FORMATS) -> str:
    """Return *output*, if it is one of *formats*."""
    if output not in formats:
        raise typer.BadParameter(f"{output!r} is none of {', '.join(formats)}", param_hint="--output")
    return output


def one_of(namespace: str | None, *, every_namespace: bool) -> None:
    """Refuse a namespace and all of them together."""
    if namespace is not None and every_namespace:
        raise typer.BadParameter("give one of the two", param_hint="--namespace, --all-namespaces")


def which(name: str | None, namespace: str | None, kubeconfig: Path | None, context: str | None) -> tuple[str | None, str | None]:
    """Return (namespace, name) of what is asked for: one scaler, those of a namespace, or all of them (None, None)."""
    if name is None:
        return namespace, None
    return reach.named(name, namespace, kubeconfig, context)


async def read(kube: "Kube", namespace: str | None, name: str | None) -> list[Document]:
    """Return the scalers in the order of their names. Raises `ApiServerError`, for one that is not there too."""
    if name is not None and namespace is not None:
        return [await reach.read(kube, reach.scaler_path(namespace, name))]
    items: list[Document] = (await reach.read(kube, reach.scalers_path(namespace)))["items"]
    for item in items:
        item.setdefault("apiVersion", API_VERSION)
        item.setdefault("kind", KIND)
    return sorted(items, key=lambda item: (item["metadata"].get("namespace", ""), item["metadata"]["name"]))


def printed(documents: Sequence[Document], output: str, *, single: bool) -> None:
    """Print *documents* for programs: ``json`` and ``yaml`` as kubectl has them, ``name`` one a line."""
    if output == "name":
        terminal.tell(*(f"{KIND.lower()}.{GROUP}/{document['metadata']['name']}" for document in documents))
    else:
        dump(documents[0] if single else {"apiVersion": "v1", "kind": "List", "items": list(documents)}, output)


def dump(told: Any, output: str) -> None:
    """Print *told* as ``json`` or ``yaml``, in ASCII: what is no printable letter is escaped."""
    if output == "json":
        print(terminal.json(told))
    else:
        import yaml

        print(yaml.safe_dump(told, sort_keys=False, allow_unicode=False), end="")
