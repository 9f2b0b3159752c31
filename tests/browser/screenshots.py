"""The pictures of docs/page.md, made anew: ``python -m tests.browser.screenshots``."""

import asyncio
import time
from pathlib import Path
from typing import Literal

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests import tiers
from tests.browser import showing

FOLDER = Path(__file__).parents[2] / "docs" / "images"
#: The target whose page is shown.
FEATURED = "llm-inference/llama-3-70b"

_WIDE: ViewportSize = {"width": 1200, "height": 680}
_TALL: ViewportSize = {"width": 1200, "height": 960}
_PHONE: ViewportSize = {"width": 360, "height": 760}


async def _open(browser: Browser, port: int, *, size: ViewportSize, scheme: Literal["dark", "light"]) -> Page:
    context = await browser.new_context(viewport=size, color_scheme=scheme)
    page = await context.new_page()
    await page.goto(f"http://127.0.0.1:{port}/?key={showing.KEY}")
    await page.wait_for_selector(".rows .row")
    await page.wait_for_timeout(1000 * showing.TICK_S + 1200)  # until all have been decided on anew
    return page


async def _target(page: Page) -> None:
    await page.get_by_role("searchbox").fill(FEATURED.partition("/")[2])
    await page.locator(f'.rows .row[data-key="{FEATURED}"] a').click()
    await page.wait_for_selector(".marks path.offered")
    await page.wait_for_timeout(800)


async def _shoot(page: Page, name: str) -> None:
    await page.screenshot(path=FOLDER / f"{name}.png")
    print(f"{name}.png: {(FOLDER / f'{name}.png').stat().st_size // 1000} kB")


async def main() -> None:
    """Make them all."""
    FOLDER.mkdir(exist_ok=True)
    targets = showing.models()
    now = time.time()
    made = showing.board(
        targets,
        lambda target: (
            showing.past(now, day_s=600.0) if str(target.key) == FEATURED else showing.past(now, day_s=3600.0, fine_s=30.0)
        ),
    )
    async with showing.serve(made) as port, async_playwright() as driver:
        deciding = asyncio.create_task(showing.deciding(made, targets))
        browser = await driver.chromium.launch(executable_path=tiers.chromium())
        page = await _open(browser, port, size=_WIDE, scheme="light")
        await _shoot(page, "page-fleet")
        await _target(page)
        await page.set_viewport_size(_TALL)
        await page.wait_for_timeout(400)
        await page.locator(".plot").first.hover(position={"x": 640, "y": 90})
        await page.wait_for_timeout(200)
        await _shoot(page, "page-target")
        await page.mouse.move(0, 0)
        await page.set_viewport_size(_WIDE)
        await page.locator(".decision.up > button").first.click()
        await page.wait_for_selector(".said")
        await page.locator(".history").evaluate("found => scrollTo(0, found.getBoundingClientRect().top + scrollY - 64)")
        await page.wait_for_timeout(300)
        await _shoot(page, "page-decision")
        page = await _open(browser, port, size=_WIDE, scheme="dark")
        await _shoot(page, "page-fleet-dark")
        await _target(page)
        await page.set_viewport_size(_TALL)
        await page.wait_for_timeout(400)
        await _shoot(page, "page-target-dark")
        page = await _open(browser, port, size=_PHONE, scheme="light")
        await _shoot(page, "page-fleet-phone")
        await _target(page)
        await page.evaluate("scrollTo(0, 0)")
        await _shoot(page, "page-target-phone")
        await browser.close()
        deciding.cancel()
        await asyncio.gather(deciding, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main())
