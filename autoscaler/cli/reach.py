"""The way to a cluster that the commands share: their options, names of scalers, and one connection for each command."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import quote

import typer

from autoscaler.cli import origin
from autoscaler.resource.scaler import API_VERSION, KIND, PLURAL

if TYPE_CHECKING:
    from adapter.errors import ApiServerError
    from adapter.kube.client import Kube

T = TypeVar("T")

#: What an API server answers for a path that none of its APIs begins; an object that is not there it calls by its name.
_UNSERVED = (404, "404 page not found")

Kubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="A kubeconfig; without it $KUBECONFIG, ~/.kube/config, or the cluster around a pod."),
]
Context = Annotated[str | None, typer.Option("--context", help="The kubeconfig's context.")]
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="The namespace; your context's by default.")]


def connected(work: "Callable[[Kube], Awaitable[T]]", kubeconfig: Path | None, context: str | None) -> T:
    """Return what *work* makes of a connection. Raises what it raises, and `ConfigError`."""
    from adapter.kube.client import Kube

    found = origin.find(kubeconfig, context)

    async def run() -> T:
        kube = await Kube.connect(found.kubeconfig, found.context)
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
    """Return the namespace that is meant where none is told, of the same origin as the cluster."""
    return origin.namespace(origin.find(kubeconfig, context))


def scalers_path(namespace: str | None) -> str:
    """Return where the scalers of *namespace* are listed; of all for None."""
    within = f"namespaces/{quote(namespace, safe='')}/" if namespace else ""
    return f"/apis/{API_VERSION}/{within}{PLURAL}"


def scaler_path(namespace: str, name: str) -> str:
    """Return where one scaler is."""
    return f"{scalers_path(namespace)}/{quote(name, safe='')}"


async def read(kube: "Kube", path: str) -> dict[str, Any]:
    """Return the scaler, or the list of them, at *path*. Raises `ApiServerError`, which says so where the cluster knows of none."""
    import msgspec

    from adapter.errors import ApiServerError

    try:
        document: dict[str, Any] = msgspec.json.decode(await kube.request("GET", path))
    except ApiServerError as error:
        if not unserved(error):
            raise
        why = f"{kube.host} serves no {KIND}: is this the cluster that you mean (--context)? `leadtime doctor` tells more"
        raise ApiServerError(error.status, why) from error
    return document


def unserved(error: "ApiServerError") -> bool:
    """Return whether the API server has nothing of that kind at all, and not just no object of that name: it says which."""
    return (error.status, error.detail) == _UNSERVED
