"""The adapter's rights are the ones that it uses: its roles against the API server's own record of what it asked."""

import base64
import contextlib
import itertools
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
import yaml

from adapter import certificates
from adapter.kube import servingca
from tests.cluster import access, audit, controlplane, direct, onepod, stack, waiting

EXTERNAL = "v1beta1.external.metrics.k8s.io"
SECRET = ("secret", servingca.SECRET, f"--namespace={stack.NAMESPACE}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Grant:
    """A right, as small as a role can give it; ``*`` as a name or a namespace is every one."""

    verb: str
    group: str
    resource: str
    name: str = "*"
    namespace: str = "*"

    def covers(self, request: audit.Request) -> bool:
        """Return whether *request* needs this right."""
        return (
            (self.verb, self.group, self.resource) == (request.verb, request.group, request.resource)
            and self.name in {"*", request.name}
            and self.namespace in {"*", request.namespace}
        )


#: Rights that come with a role of Kubernetes' own, whole.
GRANTED_BY_KUBERNETES = {
    Grant(verb="get", group="", resource="configmaps", name="extension-apiserver-authentication", namespace="kube-system"),
}


def granted(cluster: access.Cluster) -> set[Grant]:
    """Return every right that the shipped manifests give to the adapter's service account."""
    documents = [
        document
        for file in sorted((stack.MANIFESTS / "base").rglob("*.yaml"))
        for document in yaml.safe_load_all(file.read_text())
        if document and "metadata" in document
    ]
    shipped = {(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]): each for each in documents}
    found: set[Grant] = set()
    for binding in documents:
        if not binding["kind"].endswith("Binding") or _account() not in binding["subjects"]:
            continue
        namespace = binding["metadata"].get("namespace")
        kind, name = binding["roleRef"]["kind"], binding["roleRef"]["name"]
        place = namespace if kind == "Role" else None
        role = shipped.get((kind, place, name)) or cluster.get(kind.lower(), name, *([f"--namespace={place}"] if place else []))
        found |= {grant for rule in role["rules"] for grant in _grants(rule, namespace or "*")}
    return found


def _account() -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": stack.SERVICE, "namespace": stack.NAMESPACE}


def _grants(rule: Mapping[str, Sequence[str]], namespace: str) -> Iterator[Grant]:
    for verb, group, resource, name in itertools.product(
        rule["verbs"], rule["apiGroups"], rule["resources"], rule.get("resourceNames", ["*"])
    ):
        yield Grant(verb=verb, group=group, resource=resource, name=name, namespace=namespace)


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
    rights = granted(control_plane)

    assert {request.path for request in asked if not any(right.covers(request) for right in rights)} == set()


def test_every_right_that_the_manifests_give_is_used(
    control_plane: controlplane.ControlPlane, asked: Sequence[audit.Request]
) -> None:
    unused = {right for right in granted(control_plane) if not any(right.covers(request) for request in asked)}

    assert unused == GRANTED_BY_KUBERNETES
