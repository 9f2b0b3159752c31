"""A CA rotation while clients read all the time over real TLS: no request may fail."""

import asyncio
import base64
import ssl
import time

import aiohttp
from aiohttp import web

from adapter import certificates
from adapter.certificates import Pair
from adapter.kube.registration import Registration
from adapter.kube.servingca import SECRET, ServingCa
from adapter.serving import ServingTls, serve
from tests.adapter import pki
from tests.integration.kube.objects import Objects, apiservice
from tests.integration.kube.waiting import eventually

DAY_S = 86400.0
NAMESPACE, SERVICE = "leadtime", "leadtime-adapter"
NAME = f"{SERVICE}.{NAMESPACE}.svc"
APISERVICE = "v1beta2.custom.metrics.k8s.io"
APISERVICE_PATH = f"/apis/apiregistration.k8s.io/v1/apiservices/{APISERVICE}"
SECRET_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"


def replica(objects: Objects, name: str, serving: Pair) -> tuple[ServingTls, ServingCa]:
    """Return one that serves already; API servers see a new bundle within 50 ms here."""
    tls = ServingTls()
    tls.set_certificate(serving)
    registration = Registration(objects, namespace=NAMESPACE, service=SERVICE, apiservices=[APISERVICE])
    ca = ServingCa(
        objects,
        namespace=NAMESPACE,
        service=SERVICE,
        replica=name,
        publish=registration.publish,
        install=tls.set_certificate,
        settle_s=0.05,
    )
    return tls, ca


async def test_no_request_fails_while_ca_and_certificate_are_replaced_on_two_replicas() -> None:
    objects = Objects()
    objects.put(APISERVICE_PATH, apiservice((NAMESPACE, SERVICE)))
    # The first CA was made so long ago that it is due now; TLS itself goes by the real clock.
    now = time.time()
    first_ca = certificates.create_authority("first", now=now - 0.75 * 5 * 365 * DAY_S)
    serving = certificates.issue(first_ca, certificates.service_names(SERVICE, NAMESPACE), now=now)
    contents = {"tls.crt": serving.cert_pem, "tls.key": serving.key_pem, "ca.crt": first_ca.cert_pem, "ca.key": first_ca.key_pem}
    objects.put(SECRET_PATH, {"data": {key: base64.b64encode(value).decode() for key, value in contents.items()}})
    objects.get(APISERVICE_PATH)["spec"]["caBundle"] = base64.b64encode(first_ca.cert_pem).decode()

    replicas = [replica(objects, name, serving) for name in ("a", "b")]
    answered: dict[bytes, int] = {}
    failed: list[Exception] = []
    done = asyncio.Event()

    async def read(port: int) -> None:
        """Read over a new connection each time, trusting what the APIService carries, as the aggregation layer does."""
        while not done.is_set():
            bundle = base64.b64decode(objects.get(APISERVICE_PATH)["spec"]["caBundle"])
            try:
                connector = aiohttp.TCPConnector(ssl=pki.client_context(bundle.decode()), force_close=True)
                async with (
                    aiohttp.ClientSession(connector=connector) as session,
                    session.get(f"https://127.0.0.1:{port}/", server_hostname=NAME) as answer,
                ):
                    served = await answer.read()
                    answered[served] = answered.get(served, 0) + 1
            except (aiohttp.ClientError, ssl.SSLError) as exc:
                failed.append(exc)

    async def which(request: web.BaseRequest) -> web.Response:
        """Tell whether the certificate of this connection is the first or another."""
        assert request.transport is not None
        tls = next(tls for tls, port in ports.items() if port == request.transport.get_extra_info("sockname")[1])
        return web.Response(text="first" if tls.certificate_pem == serving.cert_pem else "renewed")

    ports: dict[ServingTls, int] = {}
    async with (
        serve(which, host="127.0.0.1", port=0, tls=replicas[0][0], drain_s=0, grace_s=1) as one,
        serve(which, host="127.0.0.1", port=0, tls=replicas[1][0], drain_s=0, grace_s=1) as two,
    ):
        ports |= {replicas[0][0]: one.port, replicas[1][0]: two.port}
        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(read(port)) for port in ports.values()]
            rounds = [tasks.create_task(ca.run(poll_s=0.03)) for _, ca in replicas]
            await eventually(
                lambda: all(tls.certificate_pem != serving.cert_pem for tls in ports) and answered.get(b"renewed", 0) >= 20,
                within_s=20,
            )
            done.set()
            for each in rounds:
                each.cancel()
            await asyncio.wait(readers)

    assert failed == []
    assert answered[b"first"] > 0
    carried = certificates.split(base64.b64decode(objects.get(APISERVICE_PATH)["spec"]["caBundle"]))
    assert carried[1:] == [first_ca.cert_pem]
