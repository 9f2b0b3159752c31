"""Two replicas, one Secret: who writes, who follows, and in which order a new CA comes into use."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from adapter import certificates
from adapter.certificates import Pair
from adapter.errors import ApiServerError
from adapter.kube.registration import Registration
from adapter.kube.servingca import SECRET, ServingCa
from tests.adapter import pki
from tests.integration.kube.objects import Objects, apiservice

DAY_S = 86400.0
NAMESPACE, SERVICE = "leadtime", "leadtime-adapter"
SECRET_PATH = f"/api/v1/namespaces/{NAMESPACE}/secrets/{SECRET}"
APISERVICE = "v1beta2.custom.metrics.k8s.io"
APISERVICE_PATH = f"/apis/apiregistration.k8s.io/v1/apiservices/{APISERVICE}"


@dataclass
class Cluster:
    """An API server with our APIService, a clock, and replicas that note what they are given to serve."""

    objects: Objects = field(default_factory=Objects)
    now: float = pki.NOW

    def __post_init__(self) -> None:
        self.objects.put(APISERVICE_PATH, apiservice((NAMESPACE, SERVICE)))

    def replica(self, name: str) -> "Replica":
        return Replica(name, self)

    @property
    def trusted(self) -> bytes:
        """Return the bundle that API servers verify us by."""
        return base64.b64decode(self.objects.get(APISERVICE_PATH)["spec"].get("caBundle", ""))

    @property
    def secret(self) -> dict[str, bytes]:
        return {key: base64.b64decode(value) for key, value in self.objects.get(SECRET_PATH)["data"].items()}


class Replica:
    def __init__(self, name: str, cluster: Cluster) -> None:
        self.cluster = cluster
        self.served: list[Pair] = []
        registration = Registration(cluster.objects, namespace=NAMESPACE, service=SERVICE, apiservices=[APISERVICE])
        self.ca = ServingCa(
            cluster.objects,
            namespace=NAMESPACE,
            service=SERVICE,
            replica=name,
            publish=registration.publish,
            install=self.served.append,
            clock=lambda: cluster.now,
        )

    @property
    def serving(self) -> Pair:
        return self.served[-1]

    def trusted(self) -> bool:
        """Return whether API servers accept what this replica serves now."""
        start, end = certificates.validity(self.serving.cert_pem)
        return start <= self.cluster.now <= end and certificates.trusts(self.cluster.trusted, self.serving.cert_pem)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_the_first_replica_makes_everything_and_the_second_serves_the_same(cluster: Cluster) -> None:
    first, second = cluster.replica("a"), cluster.replica("b")

    await first.ca.step()
    await second.ca.step()

    assert first.served == second.served
    assert len(first.served) == 1
    assert first.trusted()
    secret = cluster.objects.get(SECRET_PATH)
    assert secret["type"] == "kubernetes.io/tls"
    assert set(secret["data"]) == {"tls.crt", "tls.key", "ca.crt", "ca.key"}
    assert cluster.trusted == cluster.secret["ca.crt"]


async def test_a_replica_that_loses_the_race_to_create_serves_the_winner_s(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = cluster.replica("a"), cluster.replica("b")
    request = cluster.objects.request

    async def overtaken(method: str, path: str, **rest: object) -> bytes:
        if method == "POST" and not first.served:
            monkeypatch.undo()
            await first.ca.step()
        return await request(method, path, **rest)

    monkeypatch.setattr(cluster.objects, "request", overtaken)
    await second.ca.step()

    assert second.served == first.served


async def test_nothing_is_written_while_nothing_is_due(cluster: Cluster) -> None:
    replica = cluster.replica("a")
    await replica.ca.step()
    cluster.objects.writes.clear()

    for _ in range(5):
        cluster.now += 10 * DAY_S
        await replica.ca.step()

    assert cluster.objects.writes == []
    assert len(replica.served) == 1


async def test_a_serving_certificate_is_renewed_once_for_all_replicas(cluster: Cluster) -> None:
    replicas = [cluster.replica(name) for name in ("a", "b", "c")]
    for replica in replicas:
        await replica.ca.step()
    cluster.objects.writes.clear()

    cluster.now += 80 * DAY_S
    for _ in range(3):
        for replica in replicas:
            await replica.ca.step()

    assert [method for method, _, _ in cluster.objects.writes] == ["PUT"]
    assert len({replica.serving for replica in replicas}) == 1
    assert all(len(replica.served) == 2 for replica in replicas)
    assert replicas[0].trusted()


async def test_a_renewal_that_others_overtake_is_theirs(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = cluster.replica("a"), cluster.replica("b")
    await first.ca.step()
    await second.ca.step()
    cluster.now += 80 * DAY_S
    request = cluster.objects.request

    async def overtaken(method: str, path: str, **rest: object) -> bytes:
        if method == "PUT":
            monkeypatch.undo()
            await first.ca.step()
        return await request(method, path, **rest)

    monkeypatch.setattr(cluster.objects, "request", overtaken)
    await second.ca.step()
    await second.ca.step()

    assert first.serving == second.serving
    assert cluster.secret["tls.crt"] == first.serving.cert_pem


def ca_due(cluster: Cluster) -> float:
    """Return when the first of the two replicas is to renew the CA."""
    return min(certificates.renew_at(cluster.secret["ca.crt"], name) for name in "ab")


async def rotate(cluster: Cluster, replicas: list[Replica], after_each: Callable[[], None]) -> None:
    """Let time pass until the CA is replaced: first to its renewal, then by rounds of ten seconds."""
    cluster.now = ca_due(cluster) + DAY_S
    for _ in range(6):
        for replica in replicas:
            await replica.ca.step()
            after_each()
        cluster.now += 10


async def ready(cluster: Cluster) -> list[Replica]:
    """Return two replicas whose serving certificates are fresh at the time at which the CA is due."""
    replicas = [cluster.replica("a"), cluster.replica("b")]
    for replica in replicas:
        await replica.ca.step()
    first_ca = cluster.secret["ca.crt"]
    # The serving certificate is renewed on the way there, as it would be.
    cluster.now = ca_due(cluster) - DAY_S
    for _ in range(3):
        for replica in replicas:
            await replica.ca.step()
        cluster.now += 10
    assert cluster.secret["ca.crt"] == first_ca
    return replicas


async def test_a_new_ca_is_published_before_anything_it_signed_is_served(cluster: Cluster) -> None:
    replicas = await ready(cluster)
    old_ca = cluster.secret["ca.crt"]
    untrusted: list[str] = []

    def look() -> None:
        untrusted.extend("untrusted" for replica in replicas if not replica.trusted())

    await rotate(cluster, replicas, look)

    assert untrusted == []
    new_ca, *others = certificates.split(cluster.secret["ca.crt"])
    assert others == [old_ca]
    assert cluster.trusted == new_ca + old_ca
    for replica in replicas:
        assert certificates.trusts(new_ca, replica.serving.cert_pem)


async def test_the_old_ca_is_forgotten_when_it_has_expired(cluster: Cluster) -> None:
    replicas = await ready(cluster)
    await rotate(cluster, replicas, lambda: None)
    new_ca = certificates.split(cluster.secret["ca.crt"])[0]

    cluster.now = pki.NOW + 5 * 366 * DAY_S
    await replicas[0].ca.step()

    assert cluster.secret["ca.crt"] == new_ca
    assert cluster.trusted == new_ca


async def test_while_the_bundle_cannot_be_written_the_old_certificate_stays(cluster: Cluster) -> None:
    replicas = await ready(cluster)
    old_ca = cluster.secret["ca.crt"]
    cluster.objects.forbidden.add("PATCH")

    cluster.now = ca_due(cluster) + DAY_S
    for _ in range(4):
        problems = [problem for replica in replicas for problem in await replica.ca.step()]
        cluster.now += 10

    assert "403" in problems[0]
    assert len(certificates.split(cluster.secret["ca.crt"])) == 2
    assert all(replica.trusted() for replica in replicas)
    assert cluster.trusted == old_ca


async def test_a_deleted_secret_starts_a_new_ca_without_a_gap(cluster: Cluster) -> None:
    replica = cluster.replica("a")
    await replica.ca.step()
    old = replica.serving

    del cluster.objects.by_path[SECRET_PATH]
    for _ in range(4):
        await replica.ca.step()
        assert replica.trusted()
        cluster.now += 10

    assert replica.serving != old
    assert certificates.trusts(certificates.split(cluster.secret["ca.crt"])[0], replica.serving.cert_pem)


@pytest.mark.parametrize("key", ["tls.crt", "tls.key", "ca.crt", "ca.key"])
@pytest.mark.parametrize("value", [None, b"", b"garbage", "another's"])
async def test_a_secret_that_cannot_be_used_is_made_anew(cluster: Cluster, key: str, value: bytes | str | None) -> None:
    await cluster.replica("a").ca.step()
    data = cluster.objects.get(SECRET_PATH)["data"]
    data.pop(key)
    if value == "another's":
        other = certificates.issue(certificates.create_authority("x", now=cluster.now), ["x"], now=cluster.now)
        value = other.key_pem if key.endswith("key") else other.cert_pem
    if value is not None:
        data[key] = base64.b64encode(value).decode()
    replica = cluster.replica("b")

    with capture_logs() as logs:
        await replica.ca.step()

    assert replica.trusted()
    assert logs[0]["event"] == "Secret cannot be used, its contents are made anew"
    assert "PRIVATE" not in repr(logs)


async def test_a_certificate_for_other_names_is_replaced_at_once(cluster: Cluster) -> None:
    await cluster.replica("a").ca.step()
    secret = cluster.secret
    authority = Pair(secret["ca.crt"], secret["ca.key"])
    foreign = certificates.issue(authority, ["other.leadtime.svc"], now=cluster.now)
    cluster.objects.get(SECRET_PATH)["data"] |= {
        "tls.crt": base64.b64encode(foreign.cert_pem).decode(),
        "tls.key": base64.b64encode(foreign.key_pem).decode(),
    }
    replica = cluster.replica("b")

    await replica.ca.step()

    assert certificates.covers(replica.serving.cert_pem, [f"{SERVICE}.{NAMESPACE}.svc"])
    assert replica.trusted()


async def test_an_adapter_that_was_off_for_years_comes_back(cluster: Cluster) -> None:
    await cluster.replica("a").ca.step()
    cluster.now += 6 * 365 * DAY_S
    replica = cluster.replica("a")

    await replica.ca.step()

    assert replica.trusted()
    assert len(certificates.split(cluster.secret["ca.crt"])) == 1


async def test_labels_and_annotations_of_the_secret_survive_a_renewal(cluster: Cluster) -> None:
    replica = cluster.replica("a")
    await replica.ca.step()
    cluster.objects.get(SECRET_PATH)["metadata"]["annotations"] = {"backup": "no"}

    cluster.now += 80 * DAY_S
    await replica.ca.step()

    assert len(replica.served) == 2
    assert cluster.objects.get(SECRET_PATH)["metadata"]["annotations"] == {"backup": "no"}


async def test_without_an_api_server_what_is_served_stays(cluster: Cluster) -> None:
    replica = cluster.replica("a")
    await replica.ca.step()
    cluster.objects.away = True

    with pytest.raises(ApiServerError):
        await replica.ca.step()

    assert len(replica.served) == 1


@pytest.mark.looptime
async def test_rounds_go_on_through_an_outage_and_tell_each_problem_once(cluster: Cluster) -> None:
    replica = cluster.replica("a")
    cluster.objects.away = True

    with capture_logs() as logs:
        rounds = asyncio.create_task(replica.ca.run(poll_s=10))
        await asyncio.sleep(35)
        during = replica.ca.problem
        cluster.objects.away = False
        await asyncio.sleep(10)
        rounds.cancel()

    assert "connection refused" in during
    assert [entry["log_level"] for entry in logs].count("warning") == 1
    assert replica.ca.problem == ""
    assert replica.trusted()


@pytest.mark.looptime
async def test_a_bundle_that_others_kept_us_from_writing_is_written_after_a_second(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = cluster.objects.request

    async def overtaken(method: str, path: str, **rest: object) -> bytes:
        if method == "PATCH":
            monkeypatch.undo()
            raise ApiServerError(409, "the object has been modified")
        return await request(method, path, **rest)

    monkeypatch.setattr(cluster.objects, "request", overtaken)
    replica = cluster.replica("a")

    rounds = asyncio.create_task(replica.ca.run(poll_s=10))
    await asyncio.sleep(0.5)
    before = cluster.trusted
    await asyncio.sleep(1)
    rounds.cancel()

    assert before == b""
    assert replica.trusted()


async def test_an_apiservice_of_somebody_else_does_not_keep_us_from_serving(cluster: Cluster) -> None:
    cluster.objects.put(APISERVICE_PATH, apiservice(("keda", "keda-metrics-apiserver")))
    replica = cluster.replica("a")

    problems = await replica.ca.step()

    assert "belongs to Service keda/keda-metrics-apiserver" in problems[0]
    assert len(replica.served) == 1
    assert cluster.trusted == b""
