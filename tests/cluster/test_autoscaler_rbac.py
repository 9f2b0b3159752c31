"""The controller's rights are the ones that it uses: its roles against the API server's own record of what it asked."""

import contextlib
import re
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from autoscaler.resource.scaler import ROUTED
from tests.cluster import access, audit, controlplane, hpa, rights, scaled, stack, steering, waiting

EXTERNAL = "v1beta1.external.metrics.k8s.io"
MEMORY = re.compile(r"leadtime-memory-\d+")
GATED = {"template": {"spec": {"readinessGates": [{"conditionType": ROUTED}]}}}
WITH_POOL = {
    "minReplicas": 1,
    "maxReplicas": 5,
    "behavior": scaled.AT_ONCE,
    "scaleDown": {"rule": "Target", "cooldownSeconds": 0},
    "warmPool": {"min": 1, "max": 1},
    "idle": None,
}
WITHOUT_POOL = {**WITH_POOL, "warmPool": None}
#: The requests that wait anywhere, from outside of the pods; so few that they never decide.
OUTSIDE = {
    "type": "External",
    "external": {"metric": {"name": "requests_anywhere"}, "target": {"type": "AverageValue", "averageValue": "100k"}},
}
#: What it does when the API server says that somebody else was faster.
LOOKS_AGAIN = {("get", "deployments/scale"), ("get", "statefulsets/scale")}


@pytest.fixture(scope="module")
def asked(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[audit.Request]]:
    """Yield everything that a controller asked of the API server in a life in which it did everything that it can do."""
    plane, folder = control_plane, tmp_path_factory.mktemp("rbac")
    plane.kubectl("delete", "lease,configmap", "--all", f"--namespace={stack.NAMESPACE}", "--ignore-not-found")
    since = audit.position(plane.folder)
    with contextlib.ExitStack() as life:
        world = life.enter_context(_world(plane, life, folder))
        names = [life.enter_context(plane.namespace(prefix)) for prefix in ("labelled", "gated", "stateful", "set")]
        labelled, gated, ordinal, alone = (
            scaled.Scaled(world, name, resource)
            for name, resource in zip(names, ("deployment", "deployment", "statefulset", "replicaset"), strict=True)
        )
        _deploy(labelled, gated, ordinal, alone)
        for target in (labelled, gated):
            target.until_status(warmReplicas=1)
        _say_the_same_twice(alone)
        life.enter_context(_restless(labelled, ordinal))

        def looked_again() -> bool:
            _up_and_down(labelled, gated, ordinal, alone)
            return _asked(plane, since) >= LOOKS_AGAIN

        waiting.until(looked_again, what="somebody was faster at both", deadline_s=90)
        _read_as_a_stranger(plane, world)
        waiting.until(lambda: ("patch", "events") in _asked(plane, since), what="an event is counted up")
        yield audit.requests(plane.folder, since=since, user=audit.AUTOSCALER)


def _asked(plane: controlplane.ControlPlane, since: int) -> set[tuple[str, str]]:
    return {(each.verb, each.resource) for each in audit.requests(plane.folder, since=since, user=audit.AUTOSCALER)}


@contextlib.contextmanager
def _world(plane: controlplane.ControlPlane, life: contextlib.ExitStack, folder: Path) -> Iterator[steering.World]:
    """Run a fleet, an adapter that also serves what is outside of the pods, and a controller."""
    life.callback(plane.kubectl, "delete", "apiservice", EXTERNAL, "--ignore-not-found")
    with stack.fleet(plane.kubeconfig, folder / "fleet", selector=hpa.SELECTOR) as fleet:
        config = steering.scraping(fleet, ("gpu-1", "gpu-2"))
        series = {"series": "vllm:num_requests_waiting", "object": "external", "reduce": "sum", "source": "engines"}
        config["rules"].append({"metric": "requests_anywhere", **series})
        with (
            stack.adapter(plane, folder / "adapter", config, external=True) as adapter,
            steering.controllers(plane, folder) as running,
        ):
            found = steering.World(plane, folder, fleet, adapter, running)
            waiting.until(found.leader, what="the controller leads", deadline_s=40)
            yield found


def _deploy(labelled: scaled.Scaled, gated: scaled.Scaled, ordinal: scaled.Scaled, alone: scaled.Scaled) -> None:
    """Create a target of every kind that is scaled without further rights, with its scaler, and both ways to keep a pod warm."""
    apply = labelled.world.cluster.apply
    for target in (labelled, gated, ordinal, alone):
        target.pin()
    deployment, service = scaled.workload(labelled.namespace, replicas=2)
    apply(deployment, service)
    metrics = scaled.scaler(labelled.namespace, {})["spec"]["metrics"]
    labelled.apply({**WITH_POOL, "metrics": [*metrics, OUTSIDE]})

    deployment, service = scaled.workload(gated.namespace, replicas=2, spec=GATED)
    apply(deployment, scaled.merged(service, {"spec": {"selector": {ROUTED: None}}}))
    gated.apply(WITH_POOL)

    deployment, service = scaled.workload(ordinal.namespace, replicas=2)
    apply(scaled.stateful(deployment), service)
    ordinal.apply({**WITHOUT_POOL, "scaleTargetRef": _reference("StatefulSet")})

    deployment, _ = scaled.workload(alone.namespace, replicas=2)
    members = {name: deployment["spec"][name] for name in ("replicas", "selector", "template")}
    apply({**deployment, "kind": "ReplicaSet", "spec": members})
    alone.apply({**WITHOUT_POOL, "scaleTargetRef": _reference("ReplicaSet")})


def _reference(kind: str) -> dict[str, str]:
    return {"apiVersion": "apps/v1", "kind": kind, "name": scaled.NAME}


def _up_and_down(*targets: scaled.Scaled) -> None:
    for target in targets:
        target.pin(gpu_util=95.0)
    for target in targets:
        waiting.until(lambda each=target: each.replicas() > 2, what=f"{target.key} is scaled up")  # type: ignore[misc]
    for target in targets:
        target.pin(gpu_util=5.0, waiting=0.0)
    for target in targets:
        waiting.until(lambda each=target: each.replicas() <= 2, what=f"{target.key} is scaled down")  # type: ignore[misc]


def _say_the_same_twice(target: scaled.Scaled) -> None:
    """Make the scaler contradict itself, mend it, and make the same mistake again: the second time is counted, not told."""
    spec = {**WITHOUT_POOL, "scaleTargetRef": _reference("ReplicaSet")}
    times = {"start": "0 8 * * 1-5", "end": "0 20 * * 1-5", "timeZone": "Mars/Olympus"}
    for _ in range(2):
        target.apply({**spec, "schedules": [{"name": "day", "minReplicas": 2, **times}]})
        target.until_condition("Ready", "False")
        target.apply({**spec, "schedules": []})
        target.until_condition("Ready", "True")


@contextlib.contextmanager
def _restless(*targets: scaled.Scaled) -> Iterator[None]:
    """Annotate the *targets* all the time: whoever wants to write on what he has seen is often too late."""
    over = threading.Event()

    def annotate(target: scaled.Scaled) -> None:
        for number in range(1_000_000):
            if over.is_set():
                return
            target.kubectl("annotate", "--overwrite", f"{target.resource}/{scaled.NAME}", f"tests.leadtime.dev/number={number}")

    threads = [threading.Thread(target=annotate, args=(target,), name=f"annotate {target.key}") for target in targets]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _read_as_a_stranger(plane: controlplane.ControlPlane, world: steering.World) -> None:
    """Read the controller's metrics as somebody who may: it costs a TokenReview and a SubjectAccessReview."""
    token = plane.service_account_token(stack.NAMESPACE, steering.NAME)
    url = f"https://127.0.0.1:{world.replicas[0].port}/metrics"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    tls: ssl.SSLContext = stack.unverified()
    with contextlib.suppress(urllib.error.HTTPError):  # its own account may not
        urllib.request.urlopen(request, timeout=10, context=tls).close()


def of_any_memory(right: rights.Grant) -> rights.Grant:
    """Return *right* without the number of a memory: which of them are used, only the scalers' names say."""
    return replace(right, name="*") if MEMORY.fullmatch(right.name) else right


def of_resources(asked: Sequence[audit.Request]) -> list[audit.Request]:
    """Return *asked* without what is nobody's: the discovery documents, which every account may read."""
    return [request for request in asked if request.resource]


def test_nothing_that_the_controller_asks_for_is_denied(asked: Sequence[audit.Request]) -> None:
    assert [request for request in asked if not request.allowed or request.code in {401, 403}] == []


def test_every_request_rests_on_a_right_that_the_manifests_give(
    control_plane: access.Cluster, asked: Sequence[audit.Request]
) -> None:
    given = rights.granted(control_plane, steering.NAME)

    assert {each.path for each in of_resources(asked) if not any(right.covers(each) for right in given)} == set()
    assert {each.verb for each in asked if not each.resource} <= {"get"}


def test_every_right_that_the_manifests_give_is_used(control_plane: access.Cluster, asked: Sequence[audit.Request]) -> None:
    given = {of_any_memory(right) for right in rights.granted(control_plane, steering.NAME)}

    assert {right for right in given if not any(right.covers(request) for request in asked)} == set()
