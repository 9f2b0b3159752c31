"""``python -m forecasting.models``: refits series, a request on stdin and its answer on stdout at a time, until stdin ends.

A process of its own because statsmodels takes a second and 150 MiB to load and a fit cannot be interrupted: its owner kills it.
"""

import sys
from typing import BinaryIO

from forecasting.errors import InputError
from forecasting.models import adoption, wire


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer *requests* until they end; raise `InputError` where they end within a frame."""
    while (body := wire.read(requests)) is not None:
        answers.write(wire.encode(_answered(body)))
        answers.flush()


def _answered(body: bytes) -> wire.Answer:
    try:
        request = wire.request(body)
    except InputError as exc:
        return wire.Failed(id=None, message=str(exc))
    try:
        verdicts = adoption.refit([wire.unpack(series) for series in request.series], request.spec)
    except Exception as exc:  # noqa: BLE001 - whatever a library raises on one request, the next one is to be answered
        return wire.Failed(id=request.id, message=f"{type(exc).__name__}: {exc}")
    return wire.Refitted(id=request.id, verdicts=tuple(verdicts))


def main() -> int:
    """Serve stdin and stdout; return the exit status."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever a library prints must not end up between the answers
    try:
        serve(sys.stdin.buffer, answers)
    except InputError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 2
    except BrokenPipeError:  # nobody waits for the answer any more
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
