"""The classic server: batches of what waits, and one at a time for queueing theory."""

import pytest

from autoscaler.simulation import world
from autoscaler.simulation.serving import classic
from autoscaler.simulation.serving.engine import NEVER, Request
from tests.autoscaler.simulation.serving import stepwise

BATCHES_OF_THREE = world.Classic(batch_s=0.1, item_s=0.02, max_batch=3)


def request(at: float, *, luck: float = 1.0) -> Request:
    return Request(at=at, prompt_tokens=1, output_tokens=1, luck=luck)


def test_a_batch_is_what_waits_when_the_server_is_free_up_to_its_size() -> None:
    noting = stepwise.Noting()
    server = classic.BatchServer(BATCHES_OF_THREE, noting)

    times = stepwise.drive(server, noting, [request(at) for at in (0.0, 0.01, 0.02, 0.03, 0.04)])

    # One alone until 0.12; then three, 0.16 s; then the last, 0.12 s.
    assert [last for _, last in times] == pytest.approx([0.12, 0.28, 0.28, 0.28, 0.40])
    assert server.due == NEVER


def test_the_gpu_is_busy_while_a_batch_is_served() -> None:
    noting = stepwise.Noting()
    server = classic.BatchServer(BATCHES_OF_THREE, noting)
    server.take(request(1.0), now=1.0)

    during, after = stepwise.gauges(server, 1.05), stepwise.gauges(server, 9.0)

    assert (during.running, during.waiting, during.busy_s) == (1, 0, pytest.approx(0.05))
    assert (after.running, after.waiting, after.busy_s) == (0, 0, pytest.approx(0.12))


def test_with_exponential_times_each_is_served_by_itself_in_its_own_time() -> None:
    noting = stepwise.Noting()
    server = classic.BatchServer(world.Classic(batch_s=0.8, item_s=0.2, exponential=True), noting)

    times = stepwise.drive(server, noting, [request(0.0, luck=2.0), request(0.0, luck=0.5)])

    # The mean is 1 s: twice that, then half of it.
    assert [last for _, last in times] == pytest.approx([2.0, 2.5])


def test_one_whose_client_gives_up_in_the_batch_is_computed_for_nobody() -> None:
    noting = stepwise.Noting()
    server = classic.BatchServer(BATCHES_OF_THREE, noting)
    gone, stays = request(0.0), request(0.0)
    server.take(gone, now=0.0)
    server.take(stays, now=0.0)

    noting.timed_out(gone)
    server.abandon(gone, now=0.05)

    assert server.inside() == [stays]
    assert stepwise.gauges(server, 0.05).running == 1
    stepwise.gauges(server, 1.0)
    assert (noting.tally.completed, noting.tally.timed_out, server.outstanding) == (1.0, 1.0, 0)
