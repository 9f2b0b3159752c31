"""One Chromium for all, a fleet on show for each test, and no test in which the browser complains of anything."""

import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from autoscaler.page.board import Board
from autoscaler.resource.scaler import Key
from tests import tiers
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import Target
from tests.browser import showing

QWEN = Key("llm", "qwen")
#: Every module's mark: the browser lives on one loop for all of them.
ON_ONE_LOOP = pytest.mark.asyncio(loop_scope="session")

Open = Callable[..., Awaitable[Page]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Yield a running Chromium."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=tiers.chromium())
        yield browser
        await browser.close()


@dataclass
class Show:
    """A fleet on show, and its controller's process as far as a browser can tell."""

    targets: list[Target]
    board: Board
    port: int = 0
    serving: dict[str, Any] = field(default_factory=dict)
    _running: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    @property
    def url(self) -> str:
        """Return the address that opens the page."""
        return f"http://127.0.0.1:{self.port}/?key={showing.KEY}"

    async def start(self) -> None:
        """Serve, on the port that it had."""
        self.port = await self._running.enter_async_context(showing.serve(self.board, port=self.port, each_s=0.05, **self.serving))

    async def stop(self) -> None:
        """End, and every connection with it."""
        await self._running.aclose()

    def target(self, key: Key = QWEN) -> Target:
        """Return one of the fleet."""
        return next(target for target in self.targets if target.key == key)

    def decide(self, key: Key = QWEN, at: float | None = None) -> None:
        """Decide on *key* now."""
        target = self.target(key)
        self.board.decided(target.decided(time.time() if at is None else at), target.account)


def small(count: int = 8, names: tuple[Key, ...] = ()) -> Show:
    """Return a fleet of qwen and some others that have lived for ten minutes."""
    now = time.time()
    keys = [QWEN, *names, *(Key(f"team-{place % 3}", f"model-{place}") for place in range(count))]
    targets = [
        Target(key, fleet.waves(low=1.0, high=4.0 + place, period_s=400.0, phase=place / 5, since=now))
        for place, key in enumerate(keys)
    ]
    moments = [now - 600.0 + 15.0 * tick for tick in range(40)]
    return Show(targets, showing.board(targets, lambda _: iter(moments)))


@pytest_asyncio.fixture(loop_scope="session")
async def show() -> AsyncIterator[Show]:
    """Yield a small fleet that is served."""
    made = small()
    await made.start()
    yield made
    await made.stop()


@dataclass
class Complaints:
    """What the browser complained of, beside what a test says that it causes."""

    found: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        """Let complaints that match *pattern* pass: the test is about their cause."""
        self.allowed.append(pattern)

    def check(self) -> None:
        """Fail on any other."""
        left = [each for each in self.found if not any(re.search(pattern, each) for pattern in self.allowed)]
        assert left == []


@pytest.fixture
def complaints() -> Complaints:
    """Return what the pages of this test complain of."""
    return Complaints()


@pytest_asyncio.fixture(loop_scope="session")
async def opened(chromium: Browser, complaints: Complaints) -> AsyncIterator[Open]:
    """Yield what opens a page at an address, as the keyword arguments of a browser's context say."""
    contexts = []

    async def opens(url: str, **how: Any) -> Page:
        context = await chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **how})
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda said: complaints.found.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.found.append(str(error)))
        page.on("dialog", lambda dialog: complaints.found.append(f"dialog: {dialog.message}"))
        await page.goto(url)
        return page

    yield opens
    for context in contexts:
        await context.close()
    complaints.check()
