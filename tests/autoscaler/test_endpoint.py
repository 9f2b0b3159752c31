"""The controller's listener: anybody may probe it, and only who may reads its metrics."""

import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from adapter import certificates, serving
from adapter.access import Attributes, Identity
from adapter.api import authn, authz
from autoscaler import endpoint


class Answers:
    """What the API server says of tokens and rights, and what the checks find."""

    def __init__(self) -> None:
        self.checks: list[endpoint.Check] = [("pods", True, "")]

    async def review_token(self, token: str) -> Identity | None:
        return Identity(token) if token in {"reader", "stranger"} else None

    async def review_access(self, who: Identity, what: Attributes) -> tuple[bool, str]:
        return who.user == "reader", "no rule says so"


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def url(answers: Answers) -> AsyncIterator[str]:
    """Yield the address of an endpoint whose page of metrics is one line."""
    listener = endpoint.Endpoint(
        authenticator=authn.Authenticator(answers.review_token),
        authorizer=authz.Authorizer(answers.review_access),
        checks=lambda: answers.checks,
        render=lambda: b"leadtime_leader 1.0\n",
    )
    async with serving.serve(listener.handle, host="127.0.0.1", port=0, tls=None, drain_s=0.0) as listening:
        yield f"http://127.0.0.1:{listening.port}"


async def ask(url: str, *, token: str = "", method: str = "GET") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_whoever_asks_hears_that_it_is_alive(url: str) -> None:
    assert await ask(f"{url}/livez") == (200, "ok\n")


async def test_readiness_names_the_check_that_fails_and_why(url: str, answers: Answers) -> None:
    answers.checks = [("pods", True, ""), ("scalers", False, "the API server has no inferencescalers.leadtime.dev")]

    status, text = await ask(f"{url}/readyz")

    assert status == 503
    assert text.splitlines() == [
        "[+]pods ok",
        "[-]scalers failed: the API server has no inferencescalers.leadtime.dev",
    ]


async def test_it_is_ready_when_every_check_is_well(url: str) -> None:
    assert await ask(f"{url}/readyz") == (200, "[+]pods ok\n")


@pytest.mark.parametrize(("token", "status"), [("", 401), ("forged", 401), ("stranger", 403), ("reader", 200)])
async def test_metrics_are_for_those_whom_the_api_server_lets(url: str, token: str, status: int) -> None:
    found, text = await ask(f"{url}/metrics", token=token)

    assert found == status
    assert ("leadtime_leader" in text) == (status == 200)


async def test_other_paths_and_methods_are_refused(url: str) -> None:
    assert (await ask(f"{url}/debug"))[0] == 404
    assert (await ask(f"{url}/livez", method="POST"))[0] == 405


def test_its_own_certificate_is_for_its_service() -> None:
    names = certificates.service_names("leadtime-autoscaler", "leadtime")

    pair = endpoint.self_signed(names, now=time.time())

    assert certificates.covers(pair.cert_pem, names)
