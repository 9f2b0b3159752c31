"""A disk that is full, as a limit on how large our files may grow: what is past it is cut off, and the write fails."""

import contextlib
import resource
from collections.abc import Iterator


@contextlib.contextmanager
def full(past_bytes: int = 0) -> Iterator[None]:
    """Let no file grow past *past_bytes*."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (past_bytes, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))
