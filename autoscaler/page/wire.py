"""Server-sent events and the headers of every answer, as they go over the wire."""

from collections.abc import Mapping

import msgspec

#: How long a browser waits before it comes back by itself.
RETRY_MS = 1000

#: Nothing but what we serve ourselves; no inline script, no frame around us, no referrer, no sniffing.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def event(name: str, data: object, number: str = "") -> bytes:
    """Return one event; *number* is what the browser says again when it comes back."""
    lines = [b"event: " + name.encode(), b"data: " + msgspec.json.encode(data)]  # JSON has no line breaks of its own
    if number:
        lines.append(b"id: " + number.encode())
    return b"\n".join(lines) + b"\n\n"


def greeting() -> bytes:
    """Return how a stream begins."""
    return f"retry: {RETRY_MS}\n\n".encode()


def number(incarnation: str, *counts: int) -> str:
    """Return the id of an event: how far a reader has read once it has seen it."""
    return "-".join((incarnation, *map(str, counts)))


def counts(said: str, incarnation: str, expected: int) -> tuple[int, ...] | None:
    """Return how far a reader has read that comes back with the id *said*; None where that means nothing to us."""
    first, *rest = said.split("-")
    if first != incarnation or len(rest) != expected or not all(each.isascii() and each.isdigit() for each in rest):
        return None
    return tuple(int(each[:18]) for each in rest)


def difference(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Return the members of *after* that are others than in *before*. Rows have the same members always, or are sent whole."""
    return {name: value for name, value in after.items() if before.get(name, ...) != value}
