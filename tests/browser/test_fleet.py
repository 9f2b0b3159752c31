"""The list of all targets: what it shows, how it is searched, sorted and gone through, and that it is alive."""

import json
import time

from playwright.async_api import Page, expect

from autoscaler.resource.scaler import Key
from tests.autoscaler.page.fleet import Target
from tests.browser import showing
from tests.browser.conftest import ON_ONE_LOOP, QWEN, Open, Show

pytestmark = ON_ONE_LOOP


async def names(page: Page) -> list[str]:
    found = await page.locator(".rows .row").evaluate_all(
        "rows => rows.sort((a, b) => a.ariaRowIndex - b.ariaRowIndex).map(row => row.dataset.key)"
    )
    return list(found)


async def test_every_target_has_a_row_with_what_was_decided(show: Show, opened: Open) -> None:
    page = await opened(show.url)

    row = page.locator('.rows .row[data-key="llm/qwen"]')
    told = show.board.get(QWEN).document()  # type: ignore[union-attr]
    await expect(row.locator(".cell.replicas .figure")).to_have_text(f"{told['ready']} / {told['desired']}")
    await expect(row.locator(".cell.reason .chip")).to_have_text(told["reason"])
    await expect(row.locator(".cell.cost")).to_have_text(told["cost"])
    assert set(await names(page)) == {str(target.key) for target in show.targets}
    assert "key=" not in page.url


async def test_a_decision_is_seen_without_loading_the_page_again(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    replicas = page.locator('.rows .row[data-key="llm/qwen"] .cell.replicas .figure')
    await expect(replicas).to_have_count(1)
    show.target().load = lambda _: 11.0

    show.decide()

    told = show.board.get(QWEN).document()  # type: ignore[union-attr]
    await expect(replicas).to_have_text(f"{told['ready']} / {told['desired']}")
    assert told["desired"] > told["ready"]
    await expect(page.locator('.rows .row[data-key="llm/qwen"]')).to_have_attribute("data-state", "busy")


async def test_a_new_scaler_appears_and_a_deleted_one_goes(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)

    show.board.forget(QWEN)
    await expect(page.locator('.rows .row[data-key="llm/qwen"]')).to_have_count(0)
    show.decide()

    await expect(page.locator('.rows .row[data-key="llm/qwen"]')).to_have_count(1)


async def test_search_filter_and_sort_choose_the_rows(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    trouble = show.target(Key("team-1", "model-1"))
    show.board.heard(trouble.key, _document(trouble, {"Conflict": "an HPA scales it too"}))

    await page.get_by_role("searchbox").fill("team-1 model")
    await expect(page.locator(".rows .row")).to_have_count(3)
    await page.get_by_role("searchbox").fill("")
    await page.get_by_role("button", name="In trouble").click()
    await expect(page.locator(".rows .row")).to_have_count(1)
    await expect(page.locator(".rows .row .message")).to_have_text("Conflict: an HPA scales it too")
    await page.get_by_role("button", name="All", exact=False).first.click()
    await page.get_by_role("columnheader", name="Name").get_by_role("button").click()

    assert await names(page) == sorted((str(target.key) for target in show.targets), key=lambda key: key.split("/")[1])
    await expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")


async def test_the_keyboard_is_enough(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)

    await page.keyboard.press("/")
    await page.keyboard.type("model")
    await expect(page.locator(".rows .row")).to_have_count(8)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("k")
    await page.keyboard.press("ArrowDown")
    second = (await names(page))[1]
    focused = await page.evaluate("document.activeElement.closest('.row')?.dataset.key")
    assert focused == second
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text(second.split("/")[1])

    await page.keyboard.press("Escape")

    await expect(page.locator(".rows .row")).to_have_count(9)
    assert await page.evaluate("document.activeElement.closest('.row')?.dataset.key") == second
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_be_hidden()


async def test_only_the_rows_in_sight_have_elements_and_the_last_can_be_reached(show: Show, opened: Open) -> None:
    for target in showing.many(300):
        show.targets.append(target)
        show.board.decided(target.decided(1_800_000_000.0), target.account)
    page = await opened(show.url)
    await expect(page.get_by_role("table")).to_have_attribute("aria-rowcount", "310")

    assert await page.locator(".rows .row").count() < 40
    await page.keyboard.press("j")
    await page.keyboard.press("End")

    assert await page.evaluate("document.activeElement.closest('.row').ariaRowIndex") == "310"
    assert await page.evaluate("document.activeElement.getBoundingClientRect().bottom < innerHeight")


async def test_the_row_that_has_the_focus_is_kept_up_to_date_out_of_sight(show: Show, opened: Open) -> None:
    for target in showing.many(300):
        show.targets.append(target)
        show.board.decided(target.decided(1_800_000_000.0), target.account)
    page = await opened(show.url)
    await page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    await page.get_by_role("searchbox").focus()
    await page.locator('.rows .row[data-key="team-0/model-0"] a').focus()
    await page.evaluate("scrollTo(0, 4000)")
    row = page.locator('.rows .row[data-key="team-0/model-0"]')
    await expect(page.locator(".rows .row").first).not_to_be_in_viewport()
    key = Key("team-0", "model-0")
    show.target(key).load = lambda _: 11.0
    first = Key("a", "a-model")
    show.board.decided(Target(first, lambda _: 1.0).decided(time.time()), show.target().account)

    show.decide(key)

    told = show.board.get(key).document()  # type: ignore[union-attr]
    await expect(row.locator(".cell.replicas .figure")).to_have_text(f"{told['ready']} / {told['desired']}")
    await expect(row).to_have_attribute("aria-rowindex", "3")  # below the heading and the one that came before it
    places = await page.locator(".rows .row").evaluate_all("rows => rows.map((row) => row.style.transform)")
    assert len(set(places)) == len(places)
    assert await page.evaluate("document.activeElement.closest('.row').dataset.key") == str(key)


async def test_a_row_that_goes_gives_the_focus_to_the_next(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    await expect(page.locator(".rows .row")).to_have_count(9)
    await page.get_by_role("columnheader", name="Name").get_by_role("button").click()
    order = await names(page)
    await page.locator(f'.rows .row[data-key="{order[3]}"] a').focus()

    show.board.forget(Key(*order[3].split("/")))

    await expect(page.locator(".rows .row")).to_have_count(8)
    assert await page.evaluate("document.activeElement.closest('.row')?.dataset.key") == order[4]


def _document(target: Target, trouble: dict[str, str]) -> bytes:
    return json.dumps(target.document(time.time(), trouble)).encode()
