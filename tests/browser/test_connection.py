"""A controller that goes away and comes back: the page says so, keeps what it has, and goes on by itself."""

import re

from playwright.async_api import expect

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
