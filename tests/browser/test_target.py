"""A target's page: charts that move and can be read, and decisions that open into what `leadtime explain` prints."""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from autoscaler.decision.model import Record
from autoscaler.report.record import Recorder
from tests.autoscaler.page.fleet import Target
from tests.browser import showing
from tests.browser.conftest import ON_ONE_LOOP, QWEN, Open, Show

pytestmark = ON_ONE_LOOP


async def opened_target(show: Show, opened: Open, name: str = "llm/qwen", **how: object) -> Page:
    page = await opened(show.url, **how)
    await page.locator(f'.rows .row[data-key="{name}"] a').click()
    await expect(page.locator(".marks path.offered")).to_have_count(1)
    return page


@contextlib.asynccontextmanager
async def lived(moments: Sequence[float]) -> AsyncIterator[Show]:
    """Yield qwen alone, decided on at *moments*."""
    target = Target(QWEN, showing.fleet.waves(low=1.0, high=9.0, period_s=700.0, since=moments[-1]))
    made = Show([target], showing.board([target], lambda _: iter(moments)))
    await made.start()
    yield made
    await made.stop()


def words(text: str) -> str:
    return " ".join(text.split())


async def test_a_decision_opens_into_the_sentences_that_explain_prints(show: Show, opened: Open, tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    began = time.time() - 400.0
    target = Target(QWEN, showing.fleet.waves(low=1.0, high=8.0, period_s=300.0, since=began))
    show.board.forget(QWEN)
    with Recorder(file) as recorder:
        for tick in range(80):
            told = target.decided(began + 5.0 * tick)
            show.board.decided(told, target.account)
            recorder.write(
                Record(
                    target=str(QWEN),
                    policy=told.scaler.policy,
                    observation=told.observation,
                    before=told.before,
                    decision=told.decision,
                    after=told.memory,
                )
            )
    page = await opened_target(show, opened)
    entries = list(show.board.get(QWEN).decisions)  # type: ignore[union-attr, arg-type]
    compared = 0
    for place, entry in enumerate(reversed(entries)):
        if not entry.changes and compared:
            continue
        item = page.locator(".decision").nth(place)
        await item.get_by_role("button").click()
        await expect(item.locator(".said").last).to_contain_text("as it was recorded")
        said = await item.locator(".said").evaluate_all("found => found.map((each) => each.innerText)")

        at = f"--at={entry.at!r}"
        command = [sys.executable, "-m", "autoscaler.cli.main", "explain", "isc", str(QWEN), f"--record={file}", at]
        printed = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=True)

        assert [words(each) for each in said] == [words(each) for each in printed.stdout.splitlines()]
        compared += 1
        if compared == 4:
            break
    assert compared == 4


async def test_what_is_told_bit_by_bit_is_what_is_told_whole_in_the_browser_too(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    await page.evaluate(
        """async () => {
          const { Target } = await import("/static/store.js");
          window.target = new Target();
          window.source = new EventSource("api/targets/llm/qwen/events");
          for (const event of ["target", "news", "gone"]) {
            window.source.addEventListener(event, (message) => window.target.take(event, JSON.parse(message.data)));
          }
        }"""
    )
    await page.wait_for_function("window.target.told !== null")
    began = time.time()

    for tick in range(12):
        show.decide(at=began + 4.0 * tick)
        await asyncio.sleep(0.12)

    last = show.board.get(QWEN).document()["decidedAt"]  # type: ignore[union-attr]
    await page.wait_for_function("at => window.target.told.row.decidedAt === at", arg=last)
    told, whole = await page.evaluate(
        "async () => { window.source.close(); return [window.target.told, await (await fetch('api/targets/llm/qwen')).json()]; }"
    )
    assert told["row"] == whole["row"]
    assert told["fine"] == whole["fine"]
    assert told["coarse"] == whole["coarse"]
    assert told["decisions"] == whole["decisions"]


async def test_a_point_that_is_told_again_is_not_drawn_again(show: Show, opened: Open) -> None:
    page = await opened(show.url)
    ring = {"points": 9, "signals": {}}
    whole = {
        "row": {},
        "decisions": [],
        "fine": {**ring, "stepSeconds": 5, "at": [10, 16, 21], "figures": {"serving": [1, 2, 3]}},
        "coarse": {**ring, "stepSeconds": 60, "at": [21], "figures": {"serving": [3]}},
    }
    points = [{"at": at, "figures": {"serving": serving}, "signals": {}} for at, serving in ((16, 2), (21, 3), (23, 4), (26, 5))]

    told = await page.evaluate(
        """async ([whole, points]) => {
          const { Target } = await import("/static/store.js");
          const target = new Target();
          target.take("target", whole);
          target.take("news", { points });
          return target.told;
        }""",
        [whole, points],
    )

    # 23 is of the same step of 5 s as 21 and stands in its place.
    assert told["fine"]["at"] == [10, 16, 23, 26]
    assert told["fine"]["figures"]["serving"] == [1, 2, 4, 5]
    assert told["coarse"]["at"] == [26]
    assert told["coarse"]["figures"]["serving"] == [5]


async def test_the_forecast_that_is_read_is_the_one_for_that_moment(opened: Open) -> None:
    now = time.time()
    # A day of coarse points before: the stretch of 30 minutes begins with some of them.
    async with lived([*showing.past(now, day_s=360.0)]) as show:
        page = await opened_target(show, opened)

        await page.locator(".chart").first.locator("summary").click()

        read = (
            await page.locator(".chart")
            .first.locator("tbody tr")
            .evaluate_all("rows => rows.map((row) => row.lastChild.textContent)")
        )
        points = show.board.get(QWEN).past.fine.tail(300)  # type: ignore[union-attr]
        horizon = round(showing.fleet.HORIZON_S / showing.TICK_S)
        made = [points[-1 - horizon - place]["figures"] for place in range(60)]
        # In three digits, as all that is read.
        assert [[float(each) for each in one.split(" to ")] for one in read] == [
            pytest.approx([each["median"], each["likely"]], rel=0.005)  # type: ignore[index]
            for each in made
        ]


async def test_a_forecast_from_before_the_stretch_is_read_where_it_comes_due(opened: Open) -> None:
    now = time.time()
    async with lived([*showing.past(now)]) as show:
        page = await opened_target(show, opened)
        await page.get_by_role("button", name="10 min", exact=True).click()

        await page.locator(".plot").first.focus()
        await page.keyboard.press("Home")
        await page.keyboard.press("ArrowRight")

        assert "p50 to p90 –" not in await page.locator("#announce").inner_text()
        left = await page.locator(".marks path.median").evaluate("line => line.getBBox().x")
        assert left <= 44  # where the chart begins


async def test_a_hole_of_minutes_is_drawn_as_one_where_the_stretch_begins_with_coarse_points(opened: Open) -> None:
    now = time.time()
    looked = [at for at in showing.past(now, day_s=360.0) if not now - 600.0 < at < now - 420.0]
    async with lived(looked) as show:
        page = await opened_target(show, opened)

        for line in ("offered", "realised", "desired"):
            path = await page.locator(f".marks path.{line}").get_attribute("d")
            assert path is not None
            assert path.count("M") == 2, line


async def test_an_old_metric_is_marked_here_as_in_the_list(opened: Open) -> None:
    now = time.time() - 300.0
    async with lived([*showing.past(now)]) as show:
        page = await opened(show.url)
        await expect(page.locator(".rows .cell.age .late")).to_have_text("5 min")

        await page.locator(".rows .row a").click()

        await expect(page.locator(".facts .late")).to_have_text("5 min")


async def test_a_target_that_is_deleted_while_it_is_open_is_gone(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    await expect(page.locator(".facts")).to_be_visible()

    show.board.forget(QWEN)

    await expect(page.get_by_text("This target is gone.")).to_be_visible()
    for said in (".facts", ".headline", ".drawn", ".history", ".title .chip"):
        await expect(page.locator(said).first).to_be_hidden()
    show.decide()
    await expect(page.locator(".marks path.offered")).to_have_count(1)
    await expect(page.locator(".facts")).to_be_visible()


async def test_the_charts_and_the_list_go_on_by_themselves(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    line = page.locator(".marks path.offered")
    before = await line.get_attribute("d")
    newest = page.locator(".decision .message").first
    show.target().load = lambda _: 12.0

    show.decide()

    await expect(line).not_to_have_attribute("d", before or "")
    last = show.board.get(QWEN).decisions.last  # type: ignore[union-attr]
    assert last is not None
    await expect(newest).to_have_text(last.message)


async def test_charts_are_read_by_pointer_and_by_keys(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    plot = page.locator(".plot").first

    await plot.hover(position={"x": 500, "y": 80})
    readouts = page.locator(".readout:visible")
    await expect(readouts).to_have_count(3)
    await expect(readouts.nth(2)).to_contain_text("serving")
    await plot.focus()
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")

    spoken = await page.locator("#announce").inner_text()
    point = show.board.get(QWEN).past.fine.tail(2)[0]["figures"]["offered"]  # type: ignore[union-attr, index]
    assert f"load {point:.3g}" in spoken
    assert "p50 to p90" in spoken


async def test_every_chart_has_its_numbers_as_a_table(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    replicas = page.locator(".chart").nth(2)

    await replicas.locator("summary").click()

    heads = await replicas.locator("thead th").all_inner_texts()
    newest = await replicas.locator("tbody tr").first.locator("td").all_inner_texts()
    last = show.board.get(QWEN).past.fine.tail(1)[0]["figures"]  # type: ignore[union-attr, index]
    assert heads == ["Time", "serving", "warm", "starting", "decided on", "bounds"]
    bounds = f"{last['least']:.0f} to {last['most']:.0f}"  # type: ignore[index]
    assert newest == [f"{last[name]:.0f}" for name in ("serving", "warm", "starting", "desired")] + [bounds]  # type: ignore[index]


async def test_only_the_changes_are_listed_when_one_asks_for_them(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)
    changes = [entry for entry in show.board.get(QWEN).decisions if entry.changes]  # type: ignore[union-attr]

    await page.get_by_label("only those that changed the number").check()

    await expect(page.locator(".decision")).to_have_count(len(changes))


async def test_decisions_are_gone_through_by_keys(show: Show, opened: Open) -> None:
    page = await opened_target(show, opened)

    await page.keyboard.press("j")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")

    await expect(page.locator(".decision").nth(1).locator(".said").first).to_be_visible()
    assert await page.locator('.decision > button[aria-expanded="true"]').count() == 1


async def test_a_signal_that_is_missing_is_a_gap_and_never_zero(show: Show, opened: Open) -> None:
    show.target().silent = True
    for _ in range(3):
        show.decide()
    page = await opened_target(show, opened)

    await page.locator(".chart").nth(1).locator("summary").click()

    newest = page.locator(".chart").nth(1).locator("tbody tr").first.locator("td")
    assert set(await newest.all_inner_texts()) == {"missing"}


async def test_a_target_that_is_not_there_says_so_and_comes_by_itself(show: Show, opened: Open) -> None:
    show.board.forget(QWEN)
    page = await opened(show.url)
    await page.evaluate("location.hash = '#/target/llm/qwen'")
    await expect(page.get_by_text("There is no such target, or not yet.")).to_be_visible()

    show.decide()

    await expect(page.locator(".marks path.offered")).to_have_count(1)


async def test_a_standby_has_no_history_and_says_who_has(show: Show, opened: Open) -> None:
    standing = showing.Standing(
        False, "autoscaler-1", "autoscaler-0", "kubectl port-forward --namespace=leadtime pod/autoscaler-0 8444"
    )
    await show.stop()
    show.board.ended()
    show.serving["standing"] = standing
    await show.start()
    page = await opened(show.url)

    await expect(page.locator("#standby")).to_contain_text("autoscaler-0 decides")
    await expect(page.locator("#standby code")).to_have_text(standing.reach)
    await expect(page.locator(".rows .row")).to_have_count(9)
    row = page.locator('.rows .row[data-key="llm/qwen"]')
    document = json.loads(json.dumps(show.target().document(time.time())))
    await expect(row.locator(".cell.replicas .figure")).to_have_text(f"– / {document['status']['desiredReplicas']}")
    await row.locator("a").click()
    await expect(page.get_by_text("This replica has no history of it")).to_be_visible()
