"""Starting and stopping a listener under requests."""

import asyncio
import time

import aiohttp
import pytest
from aiohttp import web

from adapter.serving import KEEPALIVE_S, ServingTls, serve
from tests.adapter import pki

NAME = "adapter.leadtime.svc"
CA = pki.Authority("serving-ca", now=time.time())


async def ok(_: web.BaseRequest) -> web.Response:
    return web.Response(text="ok")


def tls() -> ServingTls:
    made = ServingTls()
    made.set_certificate(CA.issue(NAME, usage=pki.SERVER, dns=[NAME]))
    return made


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pki.client_context(CA.pem)))


async def test_requests_share_a_connection_and_an_idle_one_outlives_go_s_ninety_seconds() -> None:
    ports = set()

    async def whence(request: web.BaseRequest) -> web.Response:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername")[1])
        return web.Response()

    async with serve(whence, host="127.0.0.1", port=0, tls=tls(), drain_s=0, grace_s=1) as listening, client() as session:
        for _ in range(3):
            async with session.get(f"https://127.0.0.1:{listening.port}/", server_hostname=NAME) as answer:
                assert "Connection" not in answer.headers

    assert len(ports) == 1
    assert KEEPALIVE_S > 90


async def test_while_it_drains_every_request_is_answered_and_told_to_go_elsewhere() -> None:
    draining = asyncio.Event()
    seen = []

    async def read_on(session: aiohttp.ClientSession, url: str) -> None:
        await draining.wait()
        for _ in range(3):
            async with session.get(url, server_hostname=NAME) as answer:
                seen.append((answer.status, answer.headers.get("Connection"), await answer.text()))

    async with client() as session:
        async with serve(ok, host="127.0.0.1", port=0, tls=tls(), on_drain=draining.set, drain_s=0.3, grace_s=1) as listening:
            url = f"https://127.0.0.1:{listening.port}/"
            async with session.get(url, server_hostname=NAME) as before:
                assert "Connection" not in before.headers
            reader = asyncio.create_task(read_on(session, url))
        await reader

        assert seen == [(200, "close", "ok")] * 3
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(url, server_hostname=NAME)


async def test_a_request_under_way_is_finished_within_the_grace_period() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.Response:
        entered.set()
        await leave.wait()
        return web.Response(text="late but here")

    async with aiohttp.ClientSession() as session:
        async with serve(slow, host="127.0.0.1", port=0, tls=None, on_drain=lambda: None, drain_s=0, grace_s=5) as listening:
            request = asyncio.create_task(session.get(f"http://127.0.0.1:{listening.port}/"))
            await entered.wait()
            asyncio.get_running_loop().call_later(0.05, leave.set)  # after the listener has closed
        async with await request as answer:
            assert await answer.text() == "late but here"


async def test_a_request_that_does_not_end_is_cut_off_after_the_grace_period() -> None:
    entered = asyncio.Event()

    async def stuck(_: web.BaseRequest) -> web.Response:
        entered.set()
        await asyncio.Event().wait()
        return web.Response()

    async with aiohttp.ClientSession() as session, asyncio.timeout(5):
        async with serve(stuck, host="127.0.0.1", port=0, tls=None, drain_s=0, grace_s=0.05) as listening:
            request = asyncio.create_task(session.get(f"http://127.0.0.1:{listening.port}/"))
            await entered.wait()
        with pytest.raises(aiohttp.ClientError):
            await request


async def test_a_block_left_by_an_exception_is_not_drained() -> None:
    drained = []

    async with asyncio.timeout(5):
        with pytest.raises(ZeroDivisionError):
            async with serve(ok, host="127.0.0.1", port=0, tls=None, on_drain=lambda: drained.append(1), drain_s=60):
                raise ZeroDivisionError

    assert drained == []
