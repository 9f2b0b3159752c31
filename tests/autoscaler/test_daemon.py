"""What the controller's process does by itself, with the event loop's own time."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from autoscaler import daemon, settings
from autoscaler.cost import prices
from autoscaler.report.telemetry import Telemetry
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)

FIRST = "currency: EUR\nprices: { nvidia-l4: 0.71 }\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prices.yaml"
    path.write_text(FIRST)
    return path


def put(path: Path, text: str | None) -> None:
    """Have the file at *path* hold *text*, or be gone."""
    path.unlink() if text is None else path.write_text(text)


async def test_the_record_is_bounded(tmp_path: Path) -> None:
    options = settings.Options(
        namespace="leadtime", identity="a", address="127.0.0.1", port=0, service="s", record=tmp_path / "record.jsonl"
    )
    kube: Any = Town().client

    made = daemon._Daemon(options, kube, telemetry=Telemetry())

    assert made.recorder is not None
    made.recorder.close()
    # At most twice as much is kept: a GiB.
    assert made.recorder._max_bytes == 512 * 2**20


async def test_prices_that_change_are_taken_over_and_bad_ones_are_not(file: Path) -> None:
    telemetry = Telemetry(prices=prices.parse(FIRST))
    watching = asyncio.create_task(daemon.watch_prices(file, telemetry))
    currencies: list[str] = []

    with capture_logs() as said:
        for text in (FIRST, "currency: USD\nprices: { nvidia-l4: 0.8 }", "currency: nothing", "currency: nothing", FIRST):
            put(file, text)
            await asyncio.sleep(15.0)
            assert telemetry.prices is not None
            currencies.append(telemetry.prices.currency)
        put(file, None)
        await asyncio.sleep(60.0)
    watching.cancel()

    assert currencies == ["EUR", "USD", "USD", "USD", "EUR"]
    assert telemetry.prices == prices.parse(FIRST)
    assert [entry["event"] for entry in said] == [
        "prices loaded",
        "prices refused, the last good ones stay",  # once, however often it is looked at
        "prices loaded",
        "prices refused, the last good ones stay",  # it is gone
    ]
