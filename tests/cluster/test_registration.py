"""The adapter beside others: APIServices that belong to somebody else, and an API server that is away for a while."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import access, controlplane, direct, onepod, pki, processes, stack, waiting

TAKEN, OURS = "v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"
#: Until the adapter has noticed: it looks after its APIServices every 10 s.
ROUND_S = 20.0


@pytest.fixture(scope="module")
def world(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[onepod.World]:
    with onepod.start(control_plane, tmp_path_factory.mktemp("registration")) as started:
        yield started


def spec(cluster: access.Cluster, name: str) -> dict[str, object]:
    """Return an APIService's spec."""
    found: dict[str, object] = cluster.get("apiservice", name)["spec"]
    return found


def patch(cluster: access.Cluster, name: str, change: dict[str, object]) -> None:
    """Merge *change* into an APIService's spec."""
    cluster.kubectl("patch", "apiservice", name, "--type=merge", f"--patch={json.dumps({'spec': change})}")


@pytest.fixture
def taken(world: onepod.World) -> Iterator[dict[str, object]]:
    """Give v1beta1 to another adapter, yield its spec, and put it back."""
    cluster = world.cluster
    before = spec(cluster, TAKEN)
    other: dict[str, object] = {
        "service": {"name": "prometheus-adapter", "namespace": "monitoring", "port": 443},
        "caBundle": base64.b64encode(pki.Authority.create("somebody-elses-ca").pem).decode(),
    }
    patch(cluster, TAKEN, other)
    yield spec(cluster, TAKEN)
    patch(cluster, TAKEN, before)


def log_of(world: onepod.World) -> str:
    """Return what the replica has logged."""
    return world.adapter.replicas[0].log.read_text()


OWNED_BY_ANOTHER = f"APIService {TAKEN} belongs to Service monitoring/prometheus-adapter"


def test_an_adapter_that_starts_does_not_take_an_apiservice_from_another(world: onepod.World, taken: dict[str, object]) -> None:
    replica, port = world.adapter.replicas[0], world.adapter.ports[0]
    said = len(log_of(world))

    replica.restart()
    processes.wait_ready(replica, f"https://127.0.0.1:{port}/readyz", tls=stack.unverified())
    waiting.until(lambda: OWNED_BY_ANOTHER in log_of(world)[said:], what="the log names the owner", deadline_s=ROUND_S)

    assert "caBundle written" not in log_of(world)[said:]
    assert spec(world.cluster, TAKEN) == taken
    # v1beta2 is still ours; the API server may have seen us restart, and looks again in its own time.
    waiting.until(
        lambda: world.adapter.values(world.namespace, "gpu_utilization") == {onepod.POD: onepod.VALUES["gpu_utilization"]},
        what="v1beta2 is served",
        deadline_s=60,
    )


def test_a_bundle_that_somebody_spoilt_is_put_right(world: onepod.World) -> None:
    good = direct.ca_bundle(world.cluster)
    foreign = base64.b64encode(pki.Authority.create("somebody-elses-ca").pem).decode()

    patch(world.cluster, OURS, {"caBundle": foreign})

    waiting.until(lambda: direct.ca_bundle(world.cluster) == good, what="the bundle is ours again", deadline_s=ROUND_S)


def _hangs(apiserver: processes.Process) -> tuple[Callable[[], None], Callable[[], None]]:
    return apiserver.suspend, apiserver.resume


def _is_gone(apiserver: processes.Process) -> tuple[Callable[[], None], Callable[[], None]]:
    return apiserver.kill, apiserver.restart


@pytest.mark.parametrize("outage", [_hangs, _is_gone], ids=["hangs", "is gone"])
def test_who_was_known_reads_on_while_the_api_server_is_away_and_all_is_well_again_afterwards(
    control_plane: controlplane.ControlPlane,
    world: onepod.World,
    tmp_path: Path,
    outage: Callable[[processes.Process], tuple[Callable[[], None], Callable[[], None]]],
) -> None:
    port, path = world.adapter.ports[0], world.path()
    replica = world.adapter.replicas[0]
    tls = direct.context(direct.ca_bundle(control_plane), control_plane.front_proxy_client)
    # Known by their right, not by system:masters, whom nobody is asked about.
    control_plane.kubectl(
        "create", "clusterrolebinding", f"read-{tmp_path.name}", "--clusterrole=leadtime-adapter-reader", "--user=known"
    )
    known, stranger = [("X-Remote-User", "known")], [("X-Remote-User", f"stranger-{tmp_path.name}")]
    waiting.until(lambda: direct.ask(port, tls, path, known).status == 200, what="the user is known", deadline_s=20)
    leave, come_back = outage(control_plane.apiserver)
    pid = replica.pid

    leave()
    try:
        with direct.reading(direct.Reader(lambda: direct.Connection(port, tls), path, known)) as load:
            undecided = direct.ask(port, tls, path, stranger)
            stack.settle(3)
            waiting.until(lambda: load.answers > 100 or load.failures, what="a hundred reads without the API server")
    finally:
        come_back()
    processes.wait_ready(
        control_plane.apiserver,
        f"{control_plane.server_url}/readyz",
        tls=direct.context(control_plane.ca_file.read_bytes(), control_plane.administrator),
    )
    name = f"{onepod.POD}-{'0' if outage is _hangs else '1'}"
    control_plane.apply(onepod.pod(name), namespace=world.namespace)

    assert load.failures == []
    assert (undecided.status, undecided.document["reason"]) == (503, "ServiceUnavailable")
    waiting.until(lambda: direct.ask(port, tls, path, stranger).status == 403, what="a stranger is decided upon again")
    waiting.until(
        lambda: name in world.adapter.values(world.namespace, "gpu_utilization"), what="a new pod is served", deadline_s=60
    )
    assert (replica.pid, replica.running()) == (pid, True)
