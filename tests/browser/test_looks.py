"""What everybody can read: names, roles, labels and contrast, in both schemes, and at the width of a phone."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser import showing
from tests.browser.conftest import ON_ONE_LOOP, Open, Show

pytestmark = ON_ONE_LOOP

SCHEMES = ["light", "dark"]

#: Every text that can be seen, with the contrast to what is behind it (WCAG 2.2, 1.4.3) and how much it needs.
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()

#: What a screen reader would stumble over.
STUMBLES = (Path(__file__).parent / "stumbles.js").read_text()


async def whole(show: Show, opened: Open, **how: Any) -> Page:
    page = await opened(show.url, **how)
    await expect(page.locator(".rows .row").first).to_be_visible()
    await page.evaluate("location.hash = '#/target/llm/qwen'")  # on a phone its row may be out of sight
    await expect(page.locator(".marks path.offered")).to_have_count(1)
    await page.locator(".decision > button").first.click()
    await expect(page.locator(".said").last).to_contain_text("taken again")
    return page


async def unreadable(page: Page) -> list[dict[str, Any]]:
    found = await page.evaluate(CONTRAST)
    assert len(found) > 40
    return [each for each in found if each["contrast"] < each["needs"]]


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_every_text_of_the_list_has_the_contrast_of_aa(show: Show, opened: Open, scheme: str) -> None:
    page = await opened(show.url, color_scheme=scheme)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await page.wait_for_timeout(200)

    assert await unreadable(page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_every_text_of_a_target_has_the_contrast_of_aa(show: Show, opened: Open, scheme: str) -> None:
    page = await whole(show, opened, color_scheme=scheme)

    assert await unreadable(page) == []


async def test_a_screen_reader_stumbles_over_nothing(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    assert await page.evaluate(STUMBLES) == []

    page = await whole(show, opened)
    assert await page.evaluate(STUMBLES) == []


async def test_the_system_s_colours_are_followed_until_one_chooses_and_the_choice_stays(show: Show, opened: Open) -> None:
    page = await opened(show.url, color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = await page.evaluate(ground)
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(ground)
    assert light != dark

    await page.keyboard.press("t")
    await page.get_by_role("button", name="Colours: light").click()

    await expect(page.get_by_role("button", name="Colours: dark")).to_be_visible()
    assert await page.evaluate(ground) == dark
    await page.reload()
    assert await page.evaluate(ground) == dark


@pytest.mark.parametrize("width", [320, 360, 600, 768, 1024])
async def test_nothing_scrolls_sideways_however_narrow(show: Show, opened: Open, width: int) -> None:
    page = await opened(show.url, viewport={"width": width, "height": 700})
    await expect(page.locator(".rows .row").first).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width

    page = await whole(show, opened, viewport={"width": width, "height": 700})

    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_nothing_moves_for_whoever_wants_no_motion(show: Show, opened: Open) -> None:
    page = await opened(show.url, reduced_motion="reduce")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")

    assert await page.evaluate("document.getAnimations().length") == 0


async def test_who_skips_to_the_content_of_a_target_stays_there(show: Show, opened: Open) -> None:
    page = await whole(show, opened)

    await page.get_by_role("link", name="Skip to the content").focus()
    await page.keyboard.press("Enter")

    assert await page.evaluate("document.activeElement.id") == "main"
    await expect(page.get_by_role("heading", level=1)).to_have_text("qwen")


async def test_that_a_replica_stands_by_is_said_once_and_not_with_every_beat(show: Show, opened: Open) -> None:
    await show.stop()
    show.serving |= {"standing": showing.Standing(False, "autoscaler-1", "autoscaler-0"), "beat_s": 0.1}
    await show.start()
    page = await opened(show.url)
    await expect(page.locator("#standby")).to_contain_text("autoscaler-0 decides")

    await page.evaluate(
        """() => {
          window.said = 0;
          new MutationObserver((found) => (window.said += found.length))
            .observe(document.getElementById("standby"), { childList: true, subtree: true, characterData: true });
        }"""
    )
    await asyncio.sleep(0.5)

    assert await page.evaluate("window.said") == 0
