"""Whose cluster, and which namespace of it, a person's command means: one answer for both, found in kubectl's order.

Files of one's own come before the cluster around us, in a pod too. The daemons have it the other way round: `adapter.kube.client`.
"""

import os
from dataclasses import dataclass
from pathlib import Path

_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the address and the credentials come from."""

    kubeconfig: str | None
    """A list of files, as in $KUBECONFIG; None for the cluster that we run in."""
    context: str | None
    """One of its contexts; None for its current one."""


def find(kubeconfig: Path | None, context: str | None) -> Origin:
    """Return *kubeconfig*, or else $KUBECONFIG, or else ~/.kube/config if it is there, or else the cluster around us."""
    paths = str(kubeconfig) if kubeconfig is not None else os.environ.get("KUBECONFIG") or _own()
    if paths is not None and context is None and os.pathsep in paths:
        context = _first_current(paths)
    return Origin(paths, context)


def namespace(origin: Origin) -> str:
    """Return the namespace of the context, or of the service account that a pod runs as; ``default`` where none is told."""
    from adapter.kube.official import incluster_config, kube_config

    if origin.kubeconfig is None:
        try:
            # It lies beside the token, in every pod.
            return Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace").read_text().strip() or _DEFAULT
        except OSError:
            return _DEFAULT
    try:
        contexts, active = kube_config.list_kube_config_contexts(config_file=origin.kubeconfig)
    except Exception:  # noqa: BLE001 - whatever is wrong with the file is told by who connects with it
        return _DEFAULT
    chosen = next((each for each in contexts if each["name"] == origin.context), None) if origin.context else active
    return str(((chosen or {}).get("context") or {}).get("namespace") or _DEFAULT)


def _own() -> str | None:
    path = Path.home() / ".kube" / "config"
    return str(path) if path.is_file() else None


def _first_current(paths: str) -> str | None:
    """Return the current context as kubectl has it: the first that one of the files names. The official client takes the last."""
    import yaml

    for path in paths.split(os.pathsep):
        try:
            document = yaml.safe_load(Path(path).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue  # whatever is wrong with it is told by who connects with it
        if isinstance(document, dict) and document.get("current-context"):
            return str(document["current-context"])
    return None
