"""A fixed fleet is fixed."""

import pytest

from autoscaler.simulation.rivals.static import Static
from autoscaler.simulation.sight import PodMetric
from tests.autoscaler.simulation.rivals.sights import sight


@pytest.mark.parametrize("replicas", [0, 1, 30])
def test_it_asks_for_the_same_number_whatever_it_sees(replicas: int) -> None:
    assert Static(12).ask(sight(0.0, replicas, {PodMetric.WAITING: [99.0] * replicas})).replicas == 12


def test_a_negative_fleet_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        Static(-1)
