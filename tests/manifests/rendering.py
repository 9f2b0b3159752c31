"""What the chart and the kustomizations say: their objects, as helm and kubectl render them without a cluster."""

import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import tiers
from tests.cluster import build
from tests.manifests import reading

NAMESPACE = "leadtime"
RELEASE = "leadtime"
#: What tells an object from every other: its kind, its namespace (None for the cluster's own) and its name.
Key = tuple[str, str | None, str]
Objects = Mapping[Key, Mapping[str, Any]]


class RefusedError(Exception):
    """helm would not render the chart with these values; the message is what it said."""


def chart(*arguments: str, release: str = RELEASE, namespace: str = NAMESPACE, folder: Path = reading.CHART) -> Objects:
    """Return the chart's objects with helm's *arguments*, such as ``--set=crds.install=false``, or raise `RefusedError`."""
    return _by_key(chart_text(*arguments, release=release, namespace=namespace, folder=folder))


@cache
def chart_text(*arguments: str, release: str = RELEASE, namespace: str = NAMESPACE, folder: Path = reading.CHART) -> str:
    """Return what ``helm template`` prints."""
    command = [program("helm"), "template", release, folder, f"--namespace={namespace}", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=_environment())
    if ran.returncode:
        raise RefusedError(ran.stderr)
    return ran.stdout


@cache
def kustomized(folder: str) -> Objects:
    """Return the objects of the kustomization in *folder*, below the manifests."""
    command = [program("kubectl"), "kustomize", reading.ROOT / folder]
    return _by_key(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=_environment()).stdout)


def program(name: str) -> Path:
    """Return the built program; a test that needs one that is not built is skipped, or fails where every tier is required."""
    try:
        return build.program(name)
    except build.BuildError as error:
        if tiers.required():
            pytest.fail(str(error))
        pytest.skip(str(error))


def pod_templates(objects: Objects) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    """Yield every pod template among *objects*, with the object that it stands in."""
    for key, document in objects.items():
        for found in reading.mappings(document):
            if isinstance(found.get("template"), Mapping) and "containers" in found["template"].get("spec", {}):
                yield key, found["template"]


def differences(left: object, right: object, path: str = "") -> Iterator[tuple[str, object, object]]:
    """Yield each place at which two documents differ, with what stands there; None stands for nothing."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for name in {**left, **right}:
            yield from differences(left.get(name), right.get(name), f"{path}/{str(name).replace('/', '~1')}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for position, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}/{position}")
    elif left != right:
        yield path, left, right


def _by_key(text: str) -> Objects:
    found: dict[Key, Mapping[str, Any]] = {}
    for document in yaml.safe_load_all(text):
        if not document:
            continue
        metadata = document["metadata"]
        key = (document["kind"], metadata.get("namespace"), metadata["name"])
        assert key not in found, f"{key} is there twice"
        found[key] = document
    return found


def _environment() -> dict[str, str]:
    # Neither a cluster nor settings of whoever runs the tests are to be found.
    return {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "KUBECONFIG": "/dev/null"}
