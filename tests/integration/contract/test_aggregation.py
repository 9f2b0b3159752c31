"""The aggregation layer: an APIService whose backend is ours, reached as the front proxy and only with the right certificate."""

import base64
import contextlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.cluster import pki, waiting
from tests.integration.contract.client import Api
from tests.integration.contract.documents import core
from tests.integration.contract.test_access import account, robot

__all__ = ["account", "robot"]

APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"


@dataclass(slots=True)
class Backend:
    """An extension API server that remembers what it was asked, and by whom."""

    port: int = 0
    healthy: bool = True
    seen: list[web.BaseRequest] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path.count("/") == 3:  # the discovery document, which the availability check asks for as well
            status = 200 if self.healthy else 500
            return web.json_response({"kind": "APIResourceList", "groupVersion": "", "resources": []}, status=status)
        self.seen.append(request)
        if request.path.endswith("/moved"):
            return web.Response(status=302, headers={"Location": "https://elsewhere.example/"})
        if request.path.endswith("/missing"):
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404, "message": "why"}
            return web.json_response(body, status=404)
        return web.json_response({"asked": request.rel_url.raw_path, "query": request.rel_url.raw_query_string})


@contextlib.asynccontextmanager
async def served(backend: Backend, identity: pki.Identity, client_ca: str, folder: Path) -> AsyncIterator[Backend]:
    """Serve *backend* on localhost; whoever has no certificate of *client_ca* is not let in."""
    files = identity.write(folder, "backend")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=client_ca)
    runner = web.ServerRunner(web.Server(backend.handle), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "localhost", backend.port, ssl_context=context)
        await site.start()
        backend.port = runner.addresses[0][1]
        yield backend
    finally:
        await runner.cleanup()


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """A registered group and the backend behind it."""

    group: str
    backend: Backend

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/v1"

    @property
    def apiservice(self) -> str:
        return f"{APISERVICES}/v1.{self.group}"


async def front_proxy_facts(api: Api) -> dict[str, str]:
    path = core("kube-system", "configmaps", "extension-apiserver-authentication")
    found: dict[str, str] = (await api.get(path)).document["data"]
    return found


async def available(api: Api, apiservice: str) -> dict[str, Any]:
    """Return the Available condition, or an empty one."""
    conditions = (await api.get(apiservice)).document.get("status", {}).get("conditions", ())
    return next((each for each in conditions if each["type"] == "Available"), {})


async def when_available(api: Api, apiservice: str, status: str, reason: str) -> dict[str, Any]:
    async def check() -> dict[str, Any] | None:
        found = await available(api, apiservice)
        return found if (found.get("status"), found.get("reason")) == (status, reason) else None

    return await waiting.eventually(check, what=f"{apiservice} is Available={status} for {reason}")


async def registered(api: Api, namespace: str, backend: Backend, ca_pem: bytes, *, group: str) -> None:
    service = {"metadata": {"name": "backend"}, "spec": {"type": "ExternalName", "externalName": "localhost"}}
    if (await api.get(core(namespace, "services", "backend"))).status == 404:
        await api.created(core(namespace, "services"), service)
    spec = {
        "group": group,
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"namespace": namespace, "name": "backend", "port": backend.port},
        "caBundle": base64.b64encode(ca_pem).decode(),
    }
    await api.created(APISERVICES, {"metadata": {"name": f"v1.{group}"}, "spec": spec})


def group_name() -> str:
    return f"a{uuid.uuid4().hex[:8]}.example"


@pytest.fixture
def authority() -> pki.Authority:
    return pki.Authority.create("backend-ca")


@pytest.fixture
async def aggregated(api: Api, namespace: str, authority: pki.Authority, tmp_path: Path) -> AsyncIterator[Aggregated]:
    """Yield a group whose backend the API server has found to be healthy."""
    group = group_name()
    identity = authority.issue("backend", sans=[f"backend.{namespace}.svc"], server=True)
    facts = await front_proxy_facts(api)
    async with served(Backend(), identity, facts["requestheader-client-ca-file"], tmp_path) as backend:
        await registered(api, namespace, backend, authority.pem, group=group)
        found = Aggregated(group=group, backend=backend)
        await when_available(api, found.apiservice, "True", "Passed")
        yield found
        await api.delete(found.apiservice)


async def test_a_request_reaches_the_backend_and_its_answer_the_client(api: Api, aggregated: Aggregated) -> None:
    read = await api.get(f"{aggregated.path}/namespaces/default/pods/%2A/queue", labelSelector="b in (1,2)", aa="x y")

    assert read.status == 200
    assert read.document["asked"] == f"{aggregated.path}/namespaces/default/pods/*/queue"
    assert read.document["query"] == "aa=x+y&labelSelector=b+in+%281%2C2%29"


async def test_the_backend_is_told_who_asks_by_a_proxy_that_proves_itself(
    api: Api, aggregated: Aggregated, robot: Api, account: str, namespace: str
) -> None:
    rule = {"apiGroups": [aggregated.group], "resources": ["things"], "verbs": ["get"]}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "readers"}
    base = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    subject = {"kind": "ServiceAccount", "name": "robot", "namespace": namespace}
    await api.created(f"{base}/roles", {"metadata": {"name": "readers"}, "rules": [rule]})
    await api.created(f"{base}/rolebindings", {"metadata": {"name": "readers"}, "roleRef": role, "subjects": [subject]})
    path = f"{aggregated.path}/namespaces/{namespace}/things/one"

    async def let_through() -> bool:
        return (await robot.get(path)).status == 200

    await waiting.eventually(let_through, what="the role is in force")

    asked = aggregated.backend.seen[-1]
    assert asked.headers.getall("X-Remote-User") == [account]
    assert set(asked.headers.getall("X-Remote-Group")) == {
        "system:serviceaccounts",
        f"system:serviceaccounts:{namespace}",
        "system:authenticated",
    }
    assert "Authorization" not in asked.headers
    assert asked.transport is not None
    subject_parts = dict(pair for part in asked.transport.get_extra_info("peercert")["subject"] for pair in part)
    assert subject_parts["commonName"] in json.loads((await front_proxy_facts(api))["requestheader-allowed-names"])


async def test_the_api_server_authorises_before_it_asks(aggregated: Aggregated, robot: Api, namespace: str) -> None:
    read = await robot.get(f"{aggregated.path}/namespaces/{namespace}/things/one")

    assert read.status == 403
    assert read.reason == "Forbidden"
    assert aggregated.backend.seen == []


async def test_claims_of_the_client_are_not_passed_on(api: Api, aggregated: Aggregated) -> None:
    forged = {"X-Remote-User": "somebody-else", "X-Remote-Group": "some-group", "X-Remote-Extra-Role": "all"}

    await api.get(f"{aggregated.path}/things/one", headers=forged)

    headers = aggregated.backend.seen[-1].headers
    assert "somebody-else" not in headers.getall("X-Remote-User")
    assert "some-group" not in headers.getall("X-Remote-Group")
    assert "X-Remote-Extra-Role" not in headers


async def test_errors_of_the_backend_come_through_whole(api: Api, aggregated: Aggregated) -> None:
    read = await api.get(f"{aggregated.path}/things/missing")

    assert read.status == 404
    assert read.message == "why"


async def test_a_backend_may_not_redirect(api: Api, aggregated: Aggregated) -> None:
    assert (await api.get(f"{aggregated.path}/things/moved")).status == 502


async def test_the_group_is_discovered(api: Api, aggregated: Aggregated) -> None:
    found = await api.get(f"/apis/{aggregated.group}")

    assert found.document["kind"] == "APIGroup"
    assert found.document["preferredVersion"] == {"groupVersion": f"{aggregated.group}/v1", "version": "v1"}


@pytest.mark.parametrize("flaw", ["another name", "another authority", "a client's certificate"])
async def test_a_backend_that_cannot_prove_itself_is_not_asked(
    api: Api, namespace: str, authority: pki.Authority, tmp_path: Path, flaw: str
) -> None:
    signer = pki.Authority.create("stranger") if flaw == "another authority" else authority
    name = "localhost" if flaw == "another name" else f"backend.{namespace}.svc"
    is_client = flaw == "a client's certificate"
    identity = signer.issue("backend", sans=[name], server=not is_client, client=is_client)
    facts, group = await front_proxy_facts(api), group_name()
    async with served(Backend(), identity, facts["requestheader-client-ca-file"], tmp_path) as backend:
        await registered(api, namespace, backend, authority.pem, group=group)

        found = await when_available(api, f"{APISERVICES}/v1.{group}", "False", "FailedDiscoveryCheck")
        read = await api.get(f"/apis/{group}/v1/things/one")

    await api.delete(f"{APISERVICES}/v1.{group}")
    assert "failing or missing response from https://" in found["message"]
    assert read.status == 503
    assert backend.seen == []


async def test_a_service_that_is_not_there_makes_the_group_unavailable(api: Api, namespace: str) -> None:
    group = group_name()
    spec = {
        "group": group,
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        "service": {"namespace": namespace, "name": "absent"},
    }
    await api.created(APISERVICES, {"metadata": {"name": f"v1.{group}"}, "spec": spec})

    found = await when_available(api, f"{APISERVICES}/v1.{group}", "False", "ServiceNotFound")
    read = await api.get(f"/apis/{group}/v1/things")

    await api.delete(f"{APISERVICES}/v1.{group}")
    assert found["message"] == f'service/absent in "{namespace}" is not present'
    assert read.status == 503


async def test_a_group_is_free_again_after_its_apiservice(api: Api, aggregated: Aggregated) -> None:
    await api.delete(aggregated.apiservice)

    async def forgotten() -> bool:
        return (await api.get(f"{aggregated.path}/things/one")).status == 404

    await waiting.eventually(forgotten, what="the group is gone")
