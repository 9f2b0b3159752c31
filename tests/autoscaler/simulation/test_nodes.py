"""Where pods go, who comes when there is no room, and who has the image."""

import pytest

from autoscaler.simulation.nodes import Places
from autoscaler.simulation.world import Nodes


def test_a_node_is_filled_before_the_next_is_begun() -> None:
    places = Places(Nodes(ready=2, pods_per_node=2), 1)

    nodes = [places.take(0.0) for _ in range(5)]

    assert nodes[0] is nodes[1]
    assert nodes[2] is nodes[3]
    assert nodes[0] is not nodes[2]
    assert nodes[4] is None


def test_the_image_is_pulled_once_a_node_and_those_that_come_meanwhile_wait_for_it() -> None:
    node = Places(Nodes(), 1).take(0.0)

    assert node is not None
    assert node.pulled_at(10.0, 30.0) == 40.0
    assert node.pulled_at(20.0, 99.0) == 40.0
    assert node.pulled_at(50.0, 99.0) == 50.0


def test_a_pod_goes_where_the_image_is_there_or_comes_soonest() -> None:
    places = Places(Nodes(ready=2, pods_per_node=2), 1)
    first, _, second = places.take(0.0), places.take(0.0), places.take(0.0)
    assert first is not None
    assert second is not None
    first.pulled_at(0.0, 50.0)
    second.pulled_at(0.0, 20.0)
    first.free += 1  # one of its pods has gone

    assert places.take(10.0) is second


def test_as_many_nodes_are_ordered_as_are_needed_and_none_twice() -> None:
    places = Places(Nodes(ready=0, most=9, pods_per_node=4, provision_s=(60.0, 240.0)), 1)

    assert len(places.order(1)) == 1
    assert places.order(4) == []
    more = places.order(9)  # three nodes for nine pods, one of which comes already

    assert len(more) == 2
    assert all(60.0 <= after_s <= 240.0 for after_s in more)


def test_no_more_nodes_come_than_there_may_be() -> None:
    places = Places(Nodes(ready=1, most=2, pods_per_node=1), 1)

    assert places.take(0.0) is not None
    assert len(places.order(7)) == 1
    places.arrive()
    assert places.take(0.0) is not None
    assert places.take(0.0) is None
    assert places.order(7) == []


def test_the_kth_node_takes_as_long_whoever_orders_it() -> None:
    nodes = Nodes(ready=0, most=9, pods_per_node=1)
    at_once, one_by_one = Places(nodes, 5), Places(nodes, 5)

    together = at_once.order(2)

    assert together == [*one_by_one.order(1), *one_by_one.order(2)]
    assert Places(nodes, 6).order(2) != together


@pytest.mark.parametrize("nodes", [Nodes(ready=3, pods_per_node=0), Nodes(ready=0, most=0)])
def test_without_places_there_is_no_room_and_nobody_comes(nodes: Nodes) -> None:
    places = Places(nodes, 1)

    assert places.take(0.0) is None
    assert places.order(3) == []
