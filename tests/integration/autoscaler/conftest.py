"""One cluster, one daemon and one provider of metrics for all of these tests, which put them into trouble and out of it again."""

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from adapter.kube.client import Kube
from autoscaler.sandbox import authority, cluster, scenery
from tests.cluster import waiting
from tests.integration.autoscaler import front, provider, world
from tests.integration.autoscaler.daemon import Daemon

_APISERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"
_VERSIONS = ("v1beta1", "v1beta2")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def around(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[world.World]:
    """Yield the world with a daemon in it that leads."""
    folder = tmp_path_factory.mktemp("autoscaler")
    async with cluster.serve(cluster.Options(speed=100)) as sandbox:
        ca = sandbox.authority
        metrics = ca.server(authority.Subject(name="metrics", hosts=(f"{scenery.ADAPTER}.{scenery.NAMESPACE}.svc",)))
        api_server = ca.server(authority.Subject(name="kube-apiserver", hosts=(cluster.HOST,)))
        async with (
            provider.serve(
                world.of(sandbox), authority.server_context(metrics, sandbox.front_proxy_authority.certificate)
            ) as served,
            front.serve(
                sandbox.url,
                client=authority.client_context(ca.certificate),
                server=authority.server_context(api_server, ca.certificate),
            ) as before,
        ):
            admin = folder / "admin.kubeconfig"
            admin.write_text(sandbox.kubeconfig())
            kube = await Kube.connect(str(admin))
            try:
                await scenery.build(kube, scenery.Scene(adapter_port=served.port, startup_s=0.0, autoscaling=True))
                account = folder / "account.kubeconfig"
                given = sandbox.service_account_kubeconfig(scenery.NAMESPACE, scenery.AUTOSCALER)
                account.write_text(given.replace(sandbox.url, f"https://{cluster.HOST}:{before.port}"))
                found = world.World(sandbox, kube, served, before, Daemon(account, folder))
                await _register(found)
                await found.daemon.start()
                try:
                    yield found
                finally:
                    await found.daemon.stop()
            finally:
                await kube.close()


@pytest_asyncio.fixture(loop_scope="package")
async def running(around: world.World) -> AsyncIterator[world.World]:
    """Yield the world, with its daemon leading."""
    await around.led()
    yield around
    await around.rest()


async def _register(found: world.World) -> None:
    bundle = base64.b64encode(found.sandbox.authority.certificate.encode()).decode()
    for version in _VERSIONS:
        await found.change(f"{_APISERVICES}/{version}.custom.metrics.k8s.io", {"spec": {"caBundle": bundle}})

    async def available() -> bool:
        for version in _VERSIONS:
            service = await found.get(f"{_APISERVICES}/{version}.custom.metrics.k8s.io")
            conditions = service.get("status", {}).get("conditions", ())
            assert any(each["type"] == "Available" and each["status"] == "True" for each in conditions), conditions
        return True

    await waiting.eventually(available, what="the metrics are available")
