"""What a daemon has loaded when it begins: nothing that it does without."""

import subprocess
import sys

import pytest

#: What loading each daemon must not bring along: the other half of the official client, tracebacks in colour, and what forecasts.
UNWANTED = {
    "adapter": {"requests", "urllib3", "oauthlib", "websocket", "rich", "pygments", "numpy", "statsmodels", "pandas"},
    "autoscaler": {"requests", "urllib3", "oauthlib", "websocket", "rich", "pygments", "numpy", "statsmodels", "pandas"},
}


@pytest.mark.parametrize("daemon", sorted(UNWANTED))
def test_a_daemon_loads_nothing_that_it_does_without(daemon: str) -> None:
    program = (
        "import sys\n"
        "from adapter import imports\n"
        "import autoscaler.cli.main\n"
        "with imports.without('rich'):\n"
        f"    import {daemon}.daemon\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert UNWANTED[daemon] & set(ran.stdout.split()) == set()
    assert {"aiohttp", "kubernetes", "structlog"} <= set(ran.stdout.split())


def test_a_tls_connection_at_rest_keeps_a_small_buffer() -> None:
    program = (
        "import asyncio, ssl\n"
        "from asyncio import sslproto\n"
        "from adapter import running\n"
        "async def made():\n"
        "    loop = asyncio.get_running_loop()\n"
        "    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n"
        "    found = sslproto.SSLProtocol(loop, asyncio.Protocol(), context, loop.create_future(), server_hostname='a')\n"
        "    return len(found.get_buffer(-1))\n"
        "before = asyncio.run(made())\n"
        "running.spare_reads()\n"
        "print(before // asyncio.run(made()))\n"
    )

    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert int(ran.stdout) == 4
