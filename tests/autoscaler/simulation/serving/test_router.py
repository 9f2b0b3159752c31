"""The router's choice, and what it can know."""

from autoscaler.simulation import world
from autoscaler.simulation.serving import router as routers


def plain(**counts: int) -> routers.Router:
    router = routers.Router(world.Router(stale_s=1.0), holds=False)
    for pod, count in counts.items():
        router.open(int(pod[1:]), count)
    return router


def test_the_pod_with_the_fewest_gets_the_next() -> None:
    router = plain(p1=3, p2=1, p3=2)

    # 2 has 1, then 2; of 2 and 3 with 2 each, 3 has waited longer for its turn; then 2, and all have 3.
    assert [router.pick() for _ in range(3)] == [2, 3, 2]


def test_pods_with_as_many_take_turns() -> None:
    router = plain(p1=0, p2=0, p3=0)

    assert [router.pick() for _ in range(6)] == [1, 2, 3, 1, 2, 3]


def test_a_plain_router_does_not_see_what_was_done_before_it_looks_again() -> None:
    router = plain(p1=5, p2=0)

    unseen = [router.pick() for _ in range(4)]
    router.look([(1, 0), (2, 4)])

    assert unseen == [2, 2, 2, 2]
    assert router.pick() == 1


def test_a_plain_router_looks_at_every_multiple_of_its_staleness() -> None:
    router = plain(p1=0)

    first = router.look_at
    router.look([])
    router.look([])

    assert (first, router.look_at) == (1.0, 3.0)


def test_a_gateway_gives_no_pod_more_than_its_limit_and_knows_at_once_when_one_is_done() -> None:
    gateway = routers.Router(world.Router(in_flight_per_pod=1), holds=True)
    gateway.open(1, 0)
    gateway.open(2, 0)

    full = [gateway.pick() for _ in range(3)]
    gateway.saw(2, 0)

    assert full == [1, 2, None]
    assert gateway.pick() == 2


def test_a_pod_that_was_closed_gets_nothing_even_with_the_fewest() -> None:
    router = plain(p1=0, p2=9)

    router.close(1)
    router.look([(1, 0), (2, 9)])
    router.saw(1, 0)

    assert router.pick() == 2
    router.close(2)
    assert router.pick() is None
