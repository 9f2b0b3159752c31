"""A controller that goes away and comes back: the page says so, keeps what it has, and goes on by itself."""

import asyncio
import re
import time
from collections.abc import Collection

import pytest
from playwright.async_api import Page, expect

from autoscaler.page import site
from autoscaler.page.access import Reader, Sight, WithKey
from tests.browser import showing
from tests.browser.conftest import ON_ONE_LOOP, Complaints, Open, Show, small

pytestmark = ON_ONE_LOOP

#: What Chromium itself says of a port on which nobody listens, or of a stream that broke off.
GONE = r"net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE|INCOMPLETE_CHUNKED_ENCODING|SOCKET_NOT_CONNECTED)"


async def test_a_controller_that_restarts_is_missed_and_found_again(show: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow(GONE)
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    await show.stop()

    lost = page.locator("#lost")
    await expect(lost).to_have_text(
        re.compile(r"^Connection lost since \d\d:\d\d:\d\d, trying again\. What is shown is from before\.$")
    )
    assert await lost.get_attribute("role") == "alert"
    await expect(page.locator("body")).to_have_class(re.compile("old"))
    await expect(page.locator(".rows .row")).to_have_count(9)

    again = small(count=3)
    again.port = show.port
    await again.start()
    await expect(lost).to_have_text(re.compile(r"^Connected again at \d\d:\d\d:\d\d; it was lost at "))
    await expect(page.locator(".rows .row")).to_have_count(4)
    await expect(page.locator("body")).not_to_have_class(re.compile("old"))
    await again.stop()


async def test_the_time_of_the_loss_stays_while_it_is_tried_again(show: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow(GONE)
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await show.stop()
    lost = page.locator("#lost")
    await expect(lost).to_contain_text("Connection lost since")
    first = await lost.inner_text()

    await page.wait_for_timeout(2500)

    assert await lost.inner_text() == first
    await show.start()
    await expect(lost).to_contain_text("Connected again")


async def test_a_target_that_is_open_goes_on_after_a_restart(show: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow(GONE)
    page = await opened(show.url)
    await page.locator('.rows .row[data-key="llm/qwen"] a').click()
    await expect(page.locator(".decision").first).to_be_visible()
    await show.stop()
    await expect(page.locator("#lost")).to_contain_text("Connection lost")
    await expect(page.locator(".marks path.offered")).to_have_count(1)

    show.board.ended()
    await show.start()
    show.decide()

    await expect(page.locator("#lost")).to_contain_text("Connected again")
    await expect(page.locator(".decision")).to_have_count(1)


async def test_that_it_is_connected_again_is_said_for_a_while_however_much_happens(
    show: Show, opened: Open, complaints: Complaints
) -> None:
    complaints.allow(GONE)
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await show.stop()
    lost = page.locator("#lost")
    await expect(lost).to_contain_text("Connection lost")
    await page.clock.install()
    await show.start()
    await expect(lost).to_contain_text("Connected again")

    for _ in range(4):
        await page.clock.run_for(2000)
        show.decide()
        await asyncio.sleep(0.2)  # an event comes, in every two seconds of the page's

    await expect(lost).to_be_hidden()


async def test_a_page_that_nobody_looks_at_rests_and_is_not_called_live(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    await hidden(page)

    await expect(page.locator("#connection")).to_have_attribute("data-state", "resting")
    await expect(page.locator("#connection-text")).to_have_text("resting")
    await expect(page.locator("body")).to_have_class(re.compile("old"))
    await looked_at(page)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await expect(page.locator("#lost")).to_be_hidden()


async def test_a_page_that_rested_says_when_it_heard_last(show: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow(GONE)
    page = await opened(show.url)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    began = int(time.time())
    await hidden(page)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "resting")
    until = int(time.time())
    await show.stop()

    await looked_at(page)

    lost = page.locator("#lost")
    await expect(lost).to_contain_text("Connection lost since")
    found = re.search(r"\d\d:\d\d:\d\d", await lost.inner_text())
    assert found is not None
    assert found[0] in {time.strftime("%H:%M:%S", time.localtime(at)) for at in range(began, until + 1)}
    await show.start()
    await expect(lost).to_contain_text("Connected again")


async def test_who_is_signed_out_is_not_called_live(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    await sign_out(page)

    await expect(page.locator("#connection")).to_have_attribute("data-state", "refused")
    await expect(page.locator("#connection-text")).to_have_text("signed out")
    await expect(page.locator(".rows .row")).to_have_count(0)


async def test_signing_out_in_vain_is_said(show: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow("net::ERR_FAILED")
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await page.route("**/session", lambda route: route.abort())

    await sign_out(page)

    await expect(page.locator("#lost")).to_have_text("You are still signed in: the controller does not answer. Try again.")
    show.decide()  # what comes meanwhile takes nothing back
    await asyncio.sleep(0.2)
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.locator(".rows .row")).to_have_count(9)


async def test_a_reader_without_rights_is_told_so_and_not_that_there_is_nothing(
    show: Show, opened: Open, complaints: Complaints
) -> None:
    complaints.allow("status of 403")
    sight = Sight(frozenset())

    class Told(WithKey):
        async def sight(self, reader: Reader, namespaces: Collection[str]) -> Sight:
            return sight

    await show.stop()
    show.serving["access"] = Told(showing.KEY)
    await show.start()
    page = await opened(show.url)

    why = "you may not list inferencescalers.leadtime.dev in any namespace that has one"
    await expect(page.locator("#lost")).to_have_text(
        re.compile(rf"^Not connected since \d\d:\d\d:\d\d: {re.escape(why)}\. Trying again; what is shown is from before\.$")
    )
    await expect(page.locator("#connection")).to_have_attribute("data-state", "lost")
    await expect(page.get_by_text("No InferenceScaler is known yet.")).to_have_count(0)
    sight = Sight(None)
    await expect(page.locator(".rows .row")).to_have_count(9)


async def test_why_a_stream_was_ended_is_said_as_long_as_it_is_so(
    show: Show, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "MOST_STREAMS_EACH", 0)
    page = await opened(show.url)
    lost = page.locator("#lost")
    await expect(lost).to_contain_text("too many pages are open: close one of them")
    first = await lost.inner_text()

    await asyncio.sleep(2.0)  # it is tried again meanwhile

    assert await lost.inner_text() == first
    monkeypatch.undo()
    await expect(page.locator(".rows .row")).to_have_count(9)


async def hidden(page: Page) -> None:
    """Turn the page's back to whoever looks, and have the minute that it waits pass at once."""
    await page.evaluate(
        """() => {
          const wait = window.setTimeout;
          window.setTimeout = (call, ms, ...rest) => wait(call, ms === 60000 ? 50 : ms, ...rest);
          Object.defineProperty(document, "hidden", { value: true, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )


async def looked_at(page: Page) -> None:
    await page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


async def sign_out(page: Page) -> None:
    await page.evaluate("document.getElementById('leave').hidden = false")  # the key's reader has none
    await page.get_by_role("button", name="Sign out").click()
