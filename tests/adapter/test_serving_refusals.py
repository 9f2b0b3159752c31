"""What is no request that we read: an answer all the same, and not a word in the log."""

import asyncio
import json
import logging

import pytest
from aiohttp import web

from adapter.serving import MAX_HEADER_BYTES, MAX_HEADERS, MAX_LINE_BYTES, serve


async def count_headers(request: web.BaseRequest) -> web.Response:
    return web.json_response(len(request.headers))


async def sent(request: bytes) -> tuple[int, dict[str, str], object]:
    """Return the status, headers and document that answer *request* on a connection of its own."""
    async with serve(count_headers, host="127.0.0.1", port=0, tls=None, drain_s=0, grace_s=1) as listening:
        reader, writer = await asyncio.open_connection("127.0.0.1", listening.port)
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        body = await reader.read()  # to the end: the connection is closed
        writer.close()
        await writer.wait_closed()
        return int(head[0].split()[1]), headers, json.loads(body)


def lines(*headers: str, target: str = "/") -> bytes:
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


REFUSED = {
    "no HTTP": (b"hello\r\n\r\n", 400, "BadRequest"),
    "unknown method": (b"BREW / HTTP/1.1\r\n\r\n", 400, "BadRequest"),
    "header without colon": (lines("Secret"), 400, "BadRequest"),
    "length and chunks": (lines("Content-Length: 4", "Transfer-Encoding: chunked"), 400, "BadRequest"),
    "too many headers": (lines(*["X-Remote-Group: a"] * (MAX_HEADERS + 1)), 400, "BadRequest"),
    "long header": (lines(f"X-Remote-User: {'a' * 2 * MAX_HEADER_BYTES}"), 431, "RequestHeaderFieldsTooLarge"),
    "long target": (lines(target=f"/{'a' * 2 * MAX_LINE_BYTES}"), 414, "RequestURITooLong"),
}


@pytest.mark.parametrize(("request_bytes", "code", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_read_earns_a_status_and_no_line_in_the_log(
    request_bytes: bytes, code: int, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        status, headers, document = await sent(request_bytes)

    assert (status, headers["Content-Type"]) == (code, "application/json")
    assert isinstance(document, dict)
    assert (document["kind"], document["code"], document["reason"]) == ("Status", code, reason)
    assert len(document["message"]) <= 200
    assert caplog.records == []


async def test_as_many_headers_as_a_directory_has_groups_for_one_user_are_read() -> None:
    groups = [f"X-Remote-Group: team-{number}" for number in range(MAX_HEADERS - 2)]

    status, _, count = await sent(lines("Connection: close", *groups))

    assert (status, count) == (200, MAX_HEADERS)  # with that one and the host
