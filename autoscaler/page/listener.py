"""The page put together: what the controller tells goes to its board, and its site listens, on an address of its own."""

import shlex
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import structlog

from adapter import errors, serving
from adapter.kube import reviews
from adapter.kube.client import Kube
from autoscaler.page.access import Access, InCluster, WithKey
from autoscaler.page.board import Board
from autoscaler.page.site import Site, Standing
from autoscaler.settings import Options, Page

log = structlog.get_logger("autoscaler")

_LEAST_KEY = 16  # characters


class Listener:
    """Serves the page as *page* says. *leads* and *leader* tell whether we decide, and who was seen to last."""

    def __init__(self, page: Page, options: Options, kube: Kube, *, leads: Callable[[], bool], leader: Callable[[], str]) -> None:
        self._page = page
        self._options = options
        self._leads = leads
        self._leader = leader
        self.board = Board(tick_s=options.pace.tick_s, clock=time.time)
        self._site = Site(board=self.board, access=_access(page, kube), standing=self._standing, clock=time.time)

    @asynccontextmanager
    async def serve(self, tls: serving.ServingTls) -> AsyncIterator[None]:
        """Listen while the block runs. Streams end with it, so that their readers look for whoever is there then."""
        page = self._page
        listening = serving.serve(
            self._site.handle,
            host=page.address,
            port=page.port,
            tls=None if page.key_file is not None else tls,
            on_drain=self._site.close,
            drain_s=0.0,
            grace_s=1.0,
        )
        async with listening as found:
            log.info("serving the page", address=page.address, port=found.port)
            yield

    def _standing(self) -> Standing:
        leads, leader, ours = self._leads(), self._leader(), self._options.identity
        if leads or not leader or leader == ours:
            return Standing(leads, ours, leader)
        words = ["kubectl", "port-forward", f"--namespace={self._options.namespace}", f"pod/{leader}", str(self._page.port)]
        return Standing(leads, ours, leader, shlex.join(words))


def _access(page: Page, kube: Kube) -> Access:
    if page.key_file is None:
        whose, may = partial(reviews.token_review, kube), partial(reviews.subject_access_review, kube)
        return InCluster(whose, may, clock=time.monotonic)
    try:
        key = page.key_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(page, f"cannot be read: {error}") from error
    if len(key) < _LEAST_KEY:
        raise _refused(page, f"the key has {len(key)} characters, and at least {_LEAST_KEY} are asked for")
    return WithKey(key)


def _refused(page: Page, why: str) -> errors.ConfigError:
    return errors.ConfigError(str(page.key_file), [errors.Problem("", why)])
