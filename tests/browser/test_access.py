"""Signing in: over TLS with a token, on loopback with the key in the address."""

import time
from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import expect

from adapter import serving
from autoscaler import endpoint
from autoscaler.resource.scaler import Key
from tests.autoscaler.page.visits import ADMIN, TEAM, Cluster
from tests.browser.conftest import ON_ONE_LOOP, QWEN, Complaints, Open, Show, small

pytestmark = ON_ONE_LOOP

REFUSED = r"status of 401"


@pytest_asyncio.fixture(loop_scope="session")
async def cluster() -> Cluster:
    return Cluster()


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(cluster: Cluster) -> AsyncIterator[Show]:
    """Yield a fleet that is served as in a cluster."""
    tls = serving.ServingTls()
    tls.set_certificate(endpoint.self_signed(("localhost",), now=time.time()))
    made = small(count=3, names=(Key("secret", "model"),))
    made.serving = {"access": cluster.pages(), "tls": tls}
    await made.start()
    yield made
    await made.stop()


def address(show: Show) -> str:
    return f"https://localhost:{show.port}/"


async def test_who_signs_in_sees_what_they_may_list_and_their_token_is_kept_by_nobody(guarded: Show, opened: Open) -> None:
    page = await opened(address(guarded), ignore_https_errors=True)
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.locator(".rows .row")).to_have_count(0)
    assert await page.evaluate("document.activeElement.id") == "token"

    await page.get_by_label("Token").fill(TEAM)
    await page.keyboard.press("Enter")

    await expect(page.locator(".rows .row")).to_have_count(1)
    await expect(page.locator('.rows .row[data-key="llm/qwen"]')).to_be_visible()
    kept = await page.evaluate(
        "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, document.documentElement.outerHTML])"
    )
    assert TEAM not in kept
    (cookie,) = await page.context.cookies()
    assert cookie["name"] == f"__Host-leadtime-{guarded.port}"
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert TEAM not in cookie["value"]


async def test_a_wrong_token_is_said_to_be_wrong(guarded: Show, opened: Open, complaints: Complaints) -> None:
    complaints.allow(REFUSED)
    page = await opened(address(guarded), ignore_https_errors=True)

    await page.get_by_label("Token").fill("wrong")
    await page.get_by_role("button", name="Sign in").click()

    await expect(page.locator(".signin [role=alert]")).to_have_text("the API server does not accept this bearer token")
    await expect(page.get_by_label("Token")).to_have_value("")


async def test_who_signs_out_is_out(guarded: Show, opened: Open) -> None:
    page = await opened(address(guarded), ignore_https_errors=True)
    await page.get_by_label("Token").fill(ADMIN)
    await page.keyboard.press("Enter")
    await expect(page.locator(".rows .row")).to_have_count(5)

    await page.get_by_role("button", name="Sign out").click()

    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(page.locator(".rows .row")).to_have_count(0)
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


async def test_a_controller_that_has_started_anew_asks_for_the_token_again(
    guarded: Show, cluster: Cluster, opened: Open, complaints: Complaints
) -> None:
    complaints.allow("net::ERR")
    page = await opened(address(guarded), ignore_https_errors=True)
    await page.get_by_label("Token").fill(ADMIN)
    await page.keyboard.press("Enter")
    await expect(page.locator(".rows .row")).to_have_count(5)

    await guarded.stop()
    guarded.serving["access"] = cluster.pages()
    await guarded.start()

    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.get_by_label("Token").fill(ADMIN)
    await page.keyboard.press("Enter")
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
    await expect(page.locator(".rows .row")).to_have_count(5)


async def test_without_the_key_the_demo_shows_nothing(show: Show, opened: Open) -> None:
    page = await opened(f"http://127.0.0.1:{show.port}/")

    await expect(page.locator("#lost")).to_have_text("open the address that was printed: it has the key")
    await expect(page.locator(".rows .row")).to_have_count(0)


async def test_a_page_that_is_loaded_again_needs_no_key(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await page.goto(f"http://127.0.0.1:{show.port}/#/target/{QWEN.namespace}/{QWEN.name}")
    await page.reload()

    await expect(page.get_by_role("heading", level=1)).to_have_text("qwen")
