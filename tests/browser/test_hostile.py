"""Text of the cluster is text, whatever is in it: it runs nothing, turns nothing round and pushes nothing aside."""

import json
import time

import pytest
from playwright.async_api import expect

from autoscaler.resource.scaler import Key
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import Target
from tests.browser.conftest import ON_ONE_LOOP, Open, Show

pytestmark = ON_ONE_LOOP

HOSTILE = {
    "markup": "<img src=x onerror=alert(document.domain)>",
    "script": "</script><script>alert(1)</script>",
    "quotes": "\"'><b onmouseover=alert(1)>",
    "bidi": "safe\u202egnp.exe",
    "zero width": "ad\u200bmin\u2060",
    "long": "x" * 253,
    "address": "javascript:alert(1)",
    "percent": "%2e%2e%2f?a=b#c&d",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
async def test_a_hostile_name_is_shown_and_nothing_more(show: Show, opened: Open, text: str) -> None:
    key = Key("llm", text)
    signal = fleet.Signal(name=text, kind=fleet.Kind.OTHER, source=fleet.Source.PODS, target_milli=10_000)
    now = time.time()
    load = fleet.waves(low=1.0, high=5.0, since=now)
    target = Target(key, load, policy=fleet.policy(signals=(signal, fleet.UTILIZATION)))
    for tick in range(30):
        show.board.decided(target.decided(now - 150.0 + 5.0 * tick), target.account)
    show.board.heard(key, json.dumps(target.document(now, {"Conflict": f"{text} scales it too"})).encode())
    page = await opened(show.url, viewport={"width": 360, "height": 700})
    elements = "[...document.querySelectorAll('main img, main script, main b[onmouseover], main iframe')].length"

    row = page.locator(".rows .row").first  # in trouble: it comes first
    await expect(row.locator(".cell.name bdi").first).to_have_text(shown(text))
    assert await page.evaluate(elements) == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await row.locator("a.name").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(shown(text))
    await expect(page.locator(".trouble li")).to_have_text(f"Conflict: {shown(text)} scales it too")
    await page.locator(".decision > button").first.click()
    await expect(page.locator(".said").last).to_contain_text("taken again")
    assert await page.evaluate(elements) == 0
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await page.evaluate("getComputedStyle(document.querySelector('h1 bdi')).unicodeBidi") == "isolate"


def shown(text: str) -> str:
    return "".join(f"\\u{ord(each):04x}" if each in "\u202e\u200b\u2060" else each for each in text)
