"""What the controller tells the page, with the event loop's own time."""

import asyncio

import pytest

from autoscaler.page.board import Board
from autoscaler.resource.scaler import Key
from tests.autoscaler import town
from tests.autoscaler.town import Town

pytestmark = pytest.mark.looptime(noop_cycles=2)
QWEN = Key(town.NAMESPACE, "qwen")


async def steered(here: Town, seconds: float, **spec: object) -> Board:
    board = Board(tick_s=5.0, clock=here.clock)
    here.deploy("qwen", 2)
    here.apply(town.scaler(**spec))
    await here.steered(seconds, here.controller(audience=board))
    return board


async def test_every_decision_reaches_the_page_as_it_is_taken() -> None:
    here = Town()
    here.metrics.per_pod = 25.0

    board = await steered(here, 60.0)

    shown = board.get(QWEN)
    assert shown is not None
    assert shown.past is not None
    assert shown.decisions is not None
    ticks = here.telemetry._outcomes.total()
    assert len(shown.past.fine) >= 10
    assert sum(entry.count for entry in shown.decisions) == ticks >= 10
    # 2 pods x 25 waiting / 10 = 5; and then 13, of which 10 are allowed.
    assert [(entry.outcome.current, entry.outcome.replicas) for entry in shown.decisions if entry.changes] == [(2, 5), (5, 10)]
    row = shown.document()
    assert (row["current"], row["gpus"]) == (10, 80)


async def test_a_scaler_that_nothing_is_decided_on_is_not_shown_as_decided() -> None:
    here = Town()
    board = Board(tick_s=5.0, clock=here.clock)
    here.apply(town.scaler(target="nowhere"))

    await here.steered(20.0, here.controller(audience=board))

    assert board.get(QWEN) is None


async def test_a_scaler_that_is_deleted_is_forgotten() -> None:
    here = Town()
    board = Board(tick_s=5.0, clock=here.clock)
    here.deploy("qwen", 2)
    here.apply(town.scaler())
    leading = asyncio.create_task(here.steered(20.0, here.controller(audience=board)))
    await asyncio.sleep(10.0)
    assert board.get(QWEN) is not None

    here.delete("qwen")
    await leading

    assert board.get(QWEN) is None
