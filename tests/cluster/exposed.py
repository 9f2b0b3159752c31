"""A page of metrics on loopback, for as long as a test wants it: what an exporter would say."""

import contextlib
import http.server
import threading
from collections.abc import Iterable, Iterator


@contextlib.contextmanager
def page(samples: Iterable[str]) -> Iterator[str]:
    """Serve *samples*, lines of the text format, and yield the page's ``HOST:PORT``; it answers so under every path."""
    body = "".join(f"{sample}\n" for sample in samples).encode()

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the name that the base class gave it
            """Say nothing: a line a second is no news."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(10)
