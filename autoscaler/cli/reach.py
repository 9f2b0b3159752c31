"""The way to a cluster that the commands share: their options, names of scalers, and one connection for each command."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from autoscaler.resource.scaler import API_VERSION, PLURAL

if TYPE_CHECKING:
    from adapter.kube.client import Kube

T = TypeVar("T")

Kubeconfig = Annotated[Path | None, typer.Option("--kubeconfig", help="A kubeconfig; yours by default.")]
Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="The namespace; your context's by default.")]


def connected(work: "Callable[[Kube], Awaitable[T]]", kubeconfig: Path | None, context: str | None) -> T:
    """Return what *work* makes of a connection. Raises what it raises, and `ConfigError`."""
    from adapter.kube.client import Kube

    async def run() -> T:
        kube = await Kube.connect(str(kubeconfig) if kubeconfig else None, context)
        try:
            return await work(kube)
        finally:
            await kube.close()

    return asyncio.run(run())


def named(name: str, namespace: str | None, kubeconfig: Path | None, context: str | None) -> tuple[str, str]:
    """Return (namespace, name) of a scaler that is called NAME or NAMESPACE/NAME."""
    where, slash, short = name.partition("/")
    if not slash:
        return namespace or own_namespace(kubeconfig, context), name
    if not where or not short or "/" in short:
        raise typer.BadParameter(f"{name!r} is neither NAME nor NAMESPACE/NAME", param_hint="NAME")
    if namespace not in (None, where):
        raise typer.BadParameter(f"{name} is not in the namespace {namespace}: give one of the two", param_hint="--namespace")
    return where, short


def own_namespace(kubeconfig: Path | None, context: str | None) -> str:
    """Return the namespace of the kubeconfig's context, as kubectl has it; ``default`` where none is told."""
    from kubernetes.aio.config import kube_config

    options: dict[str, Any] = {"config_file": str(kubeconfig)} if kubeconfig else {}
    try:
        contexts, active = kube_config.list_kube_config_contexts(**options)
    except Exception:  # noqa: BLE001 - whatever is wrong with the file is told by who connects with it
        return "default"
    chosen = next((each for each in contexts if each["name"] == context), None) if context else active
    return str(((chosen or {}).get("context") or {}).get("namespace") or "default")


def scalers_path(namespace: str | None) -> str:
    """Return where the scalers of *namespace* are listed; of all for None."""
    within = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    return f"/apis/{API_VERSION}/{within}{PLURAL}"


def scaler_path(namespace: str, name: str) -> str:
    """Return where one scaler is."""
    return f"{scalers_path(namespace)}/{quote(name, safe='')}"
