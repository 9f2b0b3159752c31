"""A control plane for the chart, and helm, which leaves nothing behind from one test to the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import build, controlplane, helm
from tests.cluster.chart import looking


@pytest.fixture(scope="package")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    """Yield a control plane of its own: what is installed here reaches into every namespace."""
    if missing := build.missing([*controlplane.COMPONENTS, "helm"]):
        pytest.skip(f"not built: {', '.join(missing)}")
    with controlplane.start(tmp_path_factory.mktemp("chart")) as running:
        running.add_node("node-1")
        yield running


@pytest.fixture
def charts(plane: controlplane.ControlPlane, tmp_path: Path) -> Iterator[helm.Helm]:
    """Yield helm, and take away at the end what was installed, with the definition and the namespace."""
    found = helm.Helm(plane, tmp_path)
    yield found
    for release, namespace in found.releases().items():
        found("uninstall", release, f"--namespace={namespace}", "--wait")
    looking.cleared(plane)
