"""The tests' balancer itself: it leaves nothing open behind, whatever its connections were doing when it ended."""

import gc
import socket
import threading
from pathlib import Path

from tests.cluster import balancer
from tests.cluster.waiting import until

SYN_SENT = "02"


def _connecting(port: int) -> bool:
    """Return whether somebody here waits for *port* of loopback to take a connection."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(words[2] == f"0100007F:{port:04X}" and words[3] == SYN_SENT for words in lines[1:])


def test_a_connection_that_still_waits_for_its_backend_ends_with_the_balancer() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), balancer.start() as front:  # the one that its queue holds
            front.backends = [port]
            with socket.create_connection(("127.0.0.1", front.port)):
                until(lambda: _connecting(port), what="the balancer waits for the backend", deadline_s=5)

    gc.collect()  # pytest fails the test that leaves something open behind, once it is collected
    assert "balancer" not in {thread.name for thread in threading.enumerate()}
