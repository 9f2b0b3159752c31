"""The web page of the real daemon: what it shows is what the daemon recorded, and it ends with it."""

import asyncio
from pathlib import Path

import aiohttp

from autoscaler.page import documents
from autoscaler.report import explained, record
from autoscaler.sandbox import scenario, stage


async def test_the_daemon_s_own_page_shows_what_it_recorded(tmp_path: Path) -> None:
    file = tmp_path / "record.jsonl"
    closed = stage.Loop(scaler=scenario.scaler(), record=file, page=True)
    async with stage.serve(tmp_path, startup_s=1.0, loop=closed) as on:
        assert on.page_url.startswith("http://127.0.0.1:")
        root = on.page_url.partition("/?")[0]
        jar = aiohttp.CookieJar(unsafe=True)  # of an address, and not of a name
        async with aiohttp.ClientSession(cookie_jar=jar) as stranger:
            refused = await stranger.get(f"{root}/api/fleet")
            assert refused.status == 401
            refused.close()
        async with aiohttp.ClientSession(cookie_jar=jar, raise_for_status=True) as session:
            async with session.get(on.page_url) as answer:
                assert "Leadtime" in await answer.text()
                assert "key=" not in str(answer.url)
            async with asyncio.timeout(30.0):
                while True:
                    async with session.get(f"{root}/api/fleet") as answer:
                        told = await answer.json()
                    if told["rows"] and told["rows"][0]["live"]:
                        break
                    await asyncio.sleep(0.2)
            (row,) = told["rows"]
            assert (row["namespace"], row["name"]) == ("llm-inference", "vllm-qwen")
            assert told["standing"] == {"leads": True, "identity": "autoscaler-0", "leader": "autoscaler-0", "reach": ""}
            async with session.get(f"{root}/api/targets/llm-inference/vllm-qwen") as answer:
                target = await answer.json()
            entry = target["decisions"][0]
            async with session.get(f"{root}/api/targets/llm-inference/vllm-qwen/decisions/{entry['number']}") as answer:
                shown = await answer.json()

    records = [one for one in record.read(file, tell=print) if round(one.decision.at, 3) == entry["at"]]
    assert len(records) == 1
    lines = [" ".join(line.split()) for line in explained.of(records[0]).lines()]
    assert documents.words(shown) == lines
