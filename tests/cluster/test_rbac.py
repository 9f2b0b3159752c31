"""The adapter's rights are the ones that it uses: its roles against the API server's own record of what it asked."""

import base64
import contextlib
import json
import time
from collections.abc import Iterator, Sequence

import pytest

from adapter import certificates
from adapter.kube import servingca
from tests.cluster import audit, controlplane, direct, onepod, rights, stack, waiting

EXTERNAL = "v1beta1.external.metrics.k8s.io"
SECRET = ("secret", servingca.SECRET, f"--namespace={stack.NAMESPACE}")


#: Rights that come with a role of Kubernetes' own, whole.
GRANTED_BY_KUBERNETES = {
    rights.Grant(verb="get", group="", resource="configmaps", name="extension-apiserver-authentication", namespace="kube-system"),
}


@pytest.fixture(scope="module")
def asked(control_plane: controlplane.ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sequence[audit.Request]]:
    """Yield everything that an adapter asked of the API server in a life in which it did everything that it can do."""
    plane, folder = control_plane, tmp_path_factory.mktemp("rbac")
    plane.kubectl("delete", *SECRET, "--ignore-not-found")
    since = audit.position(plane.folder)
    with contextlib.ExitStack() as life:
        life.callback(plane.kubectl, "delete", "apiservice", EXTERNAL, "--ignore-not-found")
        world = life.enter_context(onepod.start(plane, folder, external=True))
        _read_as_a_stranger(plane, world)
        endpoints = {"endpoints": {"namespace": world.namespace, "service": "exporter", "port": 9400}, "interval": "1s"}
        world.adapter.configure(onepod.config(world.page_url, {"name": "exporters", "scrape": endpoints}))
        _plant_a_certificate_near_its_end(plane)

        def done() -> bool:
            verbs = {(request.verb, request.resource) for request in audit.requests(plane.folder, since=since)}
            return {("update", "secrets"), ("watch", "endpointslices"), ("create", "subjectaccessreviews")} <= verbs

        waiting.until(done, what="the adapter has renewed its certificate and watches the endpoints", deadline_s=40)
        yield audit.requests(plane.folder, since=since)


def _read_as_a_stranger(plane: controlplane.ControlPlane, world: onepod.World) -> None:
    """Ask with a token of somebody who may not: it costs a TokenReview and a SubjectAccessReview."""
    token = plane.service_account_token(world.namespace, "default")
    tls = direct.context(direct.ca_bundle(plane))
    answer = direct.ask(world.adapter.ports[0], tls, world.path(), [("Authorization", f"Bearer {token}")])
    assert answer.status == 403


def _plant_a_certificate_near_its_end(plane: controlplane.ControlPlane) -> None:
    contents = {key: base64.b64decode(value) for key, value in plane.get(*SECRET)["data"].items()}
    authority = certificates.Pair(contents["ca.crt"], contents["ca.key"])
    names = certificates.service_names(stack.SERVICE, stack.NAMESPACE)
    old = certificates.issue(authority, names, now=time.time() - 80 * 86400.0)
    planted = {key: base64.b64encode(value).decode() for key, value in (("tls.crt", old.cert_pem), ("tls.key", old.key_pem))}
    plane.kubectl("patch", *SECRET, "--type=merge", f"--patch={json.dumps({'data': planted})}")


def test_nothing_that_the_adapter_asks_for_is_denied(asked: Sequence[audit.Request]) -> None:
    assert [request for request in asked if not request.allowed or request.code in {401, 403}] == []


def test_every_request_rests_on_a_right_that_the_manifests_give(
    control_plane: controlplane.ControlPlane, asked: Sequence[audit.Request]
) -> None:
    given = rights.granted(control_plane, stack.SERVICE)

    assert {request.path for request in asked if not any(right.covers(request) for right in given)} == set()


def test_every_right_that_the_manifests_give_is_used(
    control_plane: controlplane.ControlPlane, asked: Sequence[audit.Request]
) -> None:
    unused = {
        right for right in rights.granted(control_plane, stack.SERVICE) if not any(right.covers(request) for request in asked)
    }

    assert unused == GRANTED_BY_KUBERNETES
