"""What registration writes, and what it keeps its hands off."""

import base64

import pytest

from adapter.errors import ApiServerError
from adapter.kube.registration import NotOursError, Registration
from tests.integration.kube.objects import Objects, apiservice

PATH = "/apis/apiregistration.k8s.io/v1/apiservices/"
V1, V2 = "v1beta1.custom.metrics.k8s.io", "v1beta2.custom.metrics.k8s.io"
OURS = ("leadtime", "leadtime-adapter")
BUNDLE = b"-----BEGIN CERTIFICATE-----\n"


@pytest.fixture
def objects() -> Objects:
    objects = Objects()
    for name in (V1, V2):
        objects.put(PATH + name, apiservice(OURS))
    return objects


def registration(objects: Objects) -> Registration:
    return Registration(objects, namespace=OURS[0], service=OURS[1], apiservices=[V1, V2])


def bundle_of(objects: Objects, name: str) -> bytes:
    return base64.b64decode(objects.get(PATH + name)["spec"].get("caBundle", ""))


async def test_every_apiservice_of_ours_gets_the_bundle_and_nothing_else_changes(objects: Objects) -> None:
    published = await registration(objects).publish(BUNDLE)

    assert published.complete
    assert published.problems == ()
    for name in (V1, V2):
        assert bundle_of(objects, name) == BUNDLE
        assert objects.get(PATH + name)["spec"]["versionPriority"] == 100
        assert objects.get(PATH + name)["metadata"]["labels"] == {"team": "metrics"}


async def test_nothing_is_written_when_nothing_differs(objects: Objects) -> None:
    await registration(objects).publish(BUNDLE)
    objects.writes.clear()

    published = await registration(objects).publish(BUNDLE)

    assert published.complete
    assert objects.writes == []


async def test_a_bundle_that_is_no_base64_is_replaced(objects: Objects) -> None:
    objects.get(PATH + V1)["spec"]["caBundle"] = "?"

    await registration(objects).publish(BUNDLE)

    assert bundle_of(objects, V1) == BUNDLE


@pytest.mark.parametrize(
    ("service", "owner"),
    [(("keda", "keda-metrics-apiserver"), "Service keda/keda-metrics-apiserver"), (None, "the API server itself")],
    ids=["service", "local"],
)
async def test_an_apiservice_of_somebody_else_is_left_alone_and_its_owner_named(
    objects: Objects, service: tuple[str, str] | None, owner: str
) -> None:
    objects.put(PATH + V2, apiservice(service))
    ours = registration(objects)

    with pytest.raises(NotOursError, match=f"{V2} belongs to {owner}"):
        await ours.publish(BUNDLE)
    with pytest.raises(NotOursError) as caught:
        await ours.check()

    assert caught.value.owner == owner
    assert objects.writes == []  # not even the one that is ours


async def test_a_service_of_the_same_name_in_another_namespace_is_somebody_else_s(objects: Objects) -> None:
    objects.put(PATH + V1, apiservice(("other", OURS[1])))

    with pytest.raises(NotOursError, match="Service other/leadtime-adapter"):
        await registration(objects).check()


async def test_insecure_skip_tls_verify_is_told_and_not_touched(objects: Objects) -> None:
    objects.put(PATH + V1, apiservice(OURS, insecure=True))

    published = await registration(objects).publish(BUNDLE)

    assert published.complete
    assert published.problems == await registration(objects).check()
    assert f"APIService {V1} sets insecureSkipTLSVerify" in published.problems[0]
    assert objects.get(PATH + V1)["spec"] == apiservice(OURS, insecure=True)["spec"]
    assert bundle_of(objects, V2) == BUNDLE


async def test_a_missing_apiservice_is_told_and_the_others_are_served(objects: Objects) -> None:
    del objects.by_path[PATH + V1]

    published = await registration(objects).publish(BUNDLE)

    assert published.complete
    assert f"APIService {V1} does not exist" in published.problems[0]
    assert bundle_of(objects, V2) == BUNDLE


async def test_an_apiservice_that_changes_hands_between_look_and_write_is_not_written(
    objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = objects.request

    async def taken_over_before_the_first_write(method: str, path: str, **rest: object) -> bytes:
        if method == "PATCH" and not objects.writes and path.endswith(V1):
            objects.put(path, apiservice(("keda", "keda-metrics-apiserver")))
        return await request(method, path, **rest)

    monkeypatch.setattr(objects, "request", taken_over_before_the_first_write)

    published = await registration(objects).publish(BUNDLE)

    assert not published.complete
    assert bundle_of(objects, V1) == b""
    with pytest.raises(NotOursError):
        await registration(objects).publish(BUNDLE)


async def test_a_write_that_is_forbidden_is_raised(objects: Objects) -> None:
    objects.forbidden.add("PATCH")

    with pytest.raises(ApiServerError, match="403"):
        await registration(objects).publish(BUNDLE)
