"""The page put together from what the command line says."""

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapter import errors, serving
from autoscaler import endpoint
from autoscaler.page.listener import Listener
from autoscaler.settings import Options, Page

KUBE: Any = None


def options(page: Page) -> Options:
    return Options(namespace="leadtime", identity="autoscaler-1", address="127.0.0.1", port=0, service="leadtime", page=page)


def listener(page: Page, *, leads: bool = False, leader: str = "autoscaler-0") -> Listener:
    return Listener(page, options(page), KUBE, leads=lambda: leads, leader=lambda: leader)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("a-key-of-more-than-sixteen-characters\n")
    return file


@pytest.mark.parametrize(("text", "words"), [("short", "at least 16"), ("", "0 characters"), ("clé-" * 8, "cannot be read")])
def test_a_key_that_is_none_is_refused_with_its_file(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "key"
    file.write_text(text)

    with pytest.raises(errors.ConfigError) as refused:
        listener(Page(address="127.0.0.1", port=0, key_file=file))

    assert words in str(refused.value)
    assert str(file) in str(refused.value)


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigError):
        listener(Page(address="127.0.0.1", port=0, key_file=tmp_path / "nothing"))


def test_a_standby_says_how_to_reach_the_leader_and_a_strange_name_is_quoted(key: Path) -> None:
    page = Page(address="127.0.0.1", port=8444, key_file=key)

    found = listener(page)._standing()
    strange = listener(page, leader="x; rm -rf /")._standing()

    assert found.reach == "kubectl port-forward --namespace=leadtime pod/autoscaler-0 8444"
    assert strange.reach.endswith("'pod/x; rm -rf /' 8444")


def test_who_decides_or_knows_nobody_who_does_reaches_for_nobody(key: Path) -> None:
    page = Page(address="127.0.0.1", port=8444, key_file=key)

    assert listener(page, leads=True, leader="autoscaler-1")._standing().reach == ""
    assert listener(page, leader="")._standing().reach == ""


async def test_with_a_key_it_is_plain_http_and_without_one_it_is_tls(key: Path) -> None:
    from autoscaler.sandbox.stage import free_ports

    tls = serving.ServingTls()
    tls.set_certificate(endpoint.self_signed(("localhost",), now=1_800_000_000.0))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    plain, secured = free_ports(2)
    with_key = listener(Page(address="127.0.0.1", port=plain, key_file=key))
    without = listener(Page(address="127.0.0.1", port=secured))
    async with with_key.serve(tls), without.serve(tls), aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{plain}/") as answer:
            assert answer.status == 200
        async with session.get(f"https://127.0.0.1:{secured}/", ssl=trusting) as answer:
            assert answer.status == 200
        async with session.get(f"https://127.0.0.1:{secured}/api/who", ssl=trusting) as answer:
            assert (await answer.json())["form"] is True
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://127.0.0.1:{secured}/")
