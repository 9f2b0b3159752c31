import traceback

import pytest

from adapter.access import Identity, NonResourceAttributes, ResourceAttributes
from adapter.errors import ApiServerError
from adapter.kube import reviews
from adapter.kube.client import Kube
from tests.integration.kube.fake_apiserver import FakeApiServer

HPA = Identity("system:serviceaccount:kube-system:horizontal-pod-autoscaler", "u1", ("system:authenticated",))
GET = ResourceAttributes(
    verb="get",
    namespace="shop",
    group="custom.metrics.k8s.io",
    version="v1beta2",
    resource="pods",
    subresource="queue_size",
    name="*",
)


async def test_a_good_token_has_a_user(server: FakeApiServer, kube: Kube) -> None:
    who = {"username": "ann", "uid": "7", "groups": ["dev", "ops"], "extra": {"scopes": ["a", "b"]}}
    server.tokens["good"] = {"authenticated": True, "user": who}

    user = await reviews.token_review(kube, "good")

    assert user == Identity("ann", "7", ("dev", "ops"), (("scopes", ("a", "b")),))


@pytest.mark.parametrize(
    "status",
    [
        {"authenticated": False, "error": "expired"},
        {},
        {"authenticated": True, "user": {}},
        {"authenticated": False, "user": {"username": "ann"}},
    ],
)
async def test_a_token_that_is_not_accepted_has_none(server: FakeApiServer, kube: Kube, status: dict[str, object]) -> None:
    server.tokens["bad"] = status

    assert await reviews.token_review(kube, "bad") is None


@pytest.mark.parametrize(("granted", "accepted"), [(["leadtime", "x"], True), (["other"], False), ([], False), (None, False)])
async def test_a_token_for_another_audience_is_not_accepted(
    server: FakeApiServer, kube: Kube, granted: list[str] | None, accepted: bool
) -> None:
    server.tokens["t"] = {"authenticated": True, "user": {"username": "ann"}, "audiences": granted}

    user = await reviews.token_review(kube, "t", ["leadtime"])

    assert (user is not None) is accepted
    assert server.posted[0]["spec"] == {"token": "t", "audiences": ["leadtime"]}


async def test_a_failed_token_review_never_shows_the_token(server: FakeApiServer, kube: Kube) -> None:
    server.refusals = [(400, 'cannot read {"token":"s3cret"}')]

    with pytest.raises(ApiServerError, match="cannot read") as caught:
        await reviews.token_review(kube, "s3cret")

    shown = "".join(traceback.format_exception(caught.value, chain=True)).replace('"s3cret")', "")  # this test's own line
    assert "s3cret" not in shown


async def test_an_access_review_asks_exactly_what_it_is_given(server: FakeApiServer, kube: Kube) -> None:
    server.may = lambda spec: spec["resourceAttributes"]["name"] == "*"
    user = Identity("ann", "7", ("dev",), (("scopes", ("a",)),))

    allowed = await reviews.subject_access_review(kube, user, GET)

    assert allowed == (True, "by a role")
    assert server.posted[0] == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "ann",
            "uid": "7",
            "groups": ["dev"],
            "extra": {"scopes": ["a"]},
            "resourceAttributes": {
                "verb": "get",
                "namespace": "shop",
                "group": "custom.metrics.k8s.io",
                "version": "v1beta2",
                "resource": "pods",
                "subresource": "queue_size",
                "name": "*",
            },
        },
    }


async def test_an_access_review_may_be_about_a_path(server: FakeApiServer, kube: Kube) -> None:
    allowed = await reviews.subject_access_review(kube, HPA, NonResourceAttributes(verb="get", path="/metrics"))

    assert allowed == (False, "no rule")
    assert server.posted[0]["spec"]["nonResourceAttributes"] == {"verb": "get", "path": "/metrics"}


class Answering:
    """An API server that answers every review with the same bytes."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    async def request(self, method: str, path: str, *, body: object = None, timeout_s: float = 10.0) -> bytes:
        return self.body


async def test_a_denial_beats_a_permission_and_an_evaluation_error_is_told() -> None:
    status = b'{"status":{"allowed":true,"denied":true,"reason":"webhook","evaluationError":"role x not found"}}'

    allowed = await reviews.subject_access_review(Answering(status), HPA, GET)

    assert allowed == (False, "webhook; role x not found")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status":{"allowed":"yes"}}', b"{}"])
async def test_an_answer_that_cannot_be_read_is_an_error_and_never_a_yes(body: bytes) -> None:
    with pytest.raises(ApiServerError):
        await reviews.subject_access_review(Answering(body), HPA, GET)
    with pytest.raises(ApiServerError):
        await reviews.token_review(Answering(body.replace(b"allowed", b"authenticated")), "t")


async def test_an_api_server_that_does_not_answer_is_an_error(server: FakeApiServer, kube: Kube) -> None:
    server.refusals = [(500, "etcd is away")]

    with pytest.raises(ApiServerError, match="etcd is away"):
        await reviews.subject_access_review(kube, HPA, GET)
