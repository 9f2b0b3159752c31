"""The documentation's site in a browser: nothing comes from elsewhere, it fits a phone, can be searched, and has a dark side."""

import functools
import http.server
import threading
from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from tests.browser.conftest import ON_ONE_LOOP, Open
from tests.docs import building
from tests.docs.test_site import CONFIG, named

pytestmark = ON_ONE_LOOP
PLACES = ["" if name == "index.md" else f"{name.removesuffix('.md')}/" for name in named(CONFIG["nav"])]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files, and says nothing about it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of the built site."""
    folder = building.build(tmp_path_factory.mktemp("site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        serving.join()


async def test_every_page_fits_a_phone_and_loads_nothing_from_elsewhere(site: str, opened: Open) -> None:
    page = await opened(site, viewport={"width": 390, "height": 844})
    page.set_default_navigation_timeout(60_000)  # it is gone through at the machine's pace
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    too_wide = []
    for place in PLACES:
        await page.goto(site + place, wait_until="domcontentloaded")
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            too_wide.append(place)

    assert too_wide == []
    assert [url for url in asked if not url.startswith(site)] == []
    assert len(asked) > len(PLACES)


async def test_what_is_looked_for_is_found(site: str, opened: Open) -> None:
    page = await opened(site)

    await page.get_by_role("textbox", name="Search").fill("bandRatio")

    result = page.locator(".md-search-result__link").first
    await expect(result).to_be_visible()
    assert "inferencescaler" in str(await result.get_attribute("href"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_is_as_bright_as_the_reader_likes_it(site: str, opened: Open, scheme: str) -> None:
    page = await opened(site, color_scheme=scheme)

    shade = await page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)")

    assert (sum(shade) < 3 * 128) == (scheme == "dark")
