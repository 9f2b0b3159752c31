"""What plain HPA would have made of the demo's load is simulated on that load, and said as what it is."""

import pytest

from autoscaler.sandbox import beside
from autoscaler.sandbox.beside import Beside
from autoscaler.sandbox.scenario import MAX_REPLICAS, SCALE, Scenario

PLAYED = Scenario(60.0)


def test_the_same_load_is_offered_on_average() -> None:
    # 3/s up to 6 s, rising to 8/s by 15 s, 8/s to 19.8 s and 34/s to 27.6 s: 18 + 49.5 + 38.4 + 265.2; then 5/s for the last 5 s.
    told = beside.plain_hpa(PLAYED, returned_at=55.0, until=60.0)

    assert told.requests == pytest.approx(371.1 + 25.0, rel=0.05)


def test_a_load_that_never_came_back_is_not_offered() -> None:
    told = beside.plain_hpa(PLAYED, returned_at=None, until=60.0)

    assert told.requests == pytest.approx(371.1, rel=0.05)


def test_it_costs_at_least_the_one_pod_that_hpa_keeps_and_at_most_the_whole_fleet() -> None:
    told = beside.plain_hpa(PLAYED, returned_at=None, until=60.0)

    one_pod_hours = 60.0 * SCALE / 3600
    assert one_pod_hours < told.gpu_hours < MAX_REPLICAS * one_pod_hours


def test_a_burst_of_seven_pods_is_late_where_nobody_foresees_it() -> None:
    # 34/s are seven pods' worth, a start-up takes half of the burst, and one pod at 70 per cent carries 5/s.
    told = beside.plain_hpa(PLAYED, returned_at=None, until=60.0)

    assert told.late + told.failed > 0.1 * told.requests


def test_it_is_called_a_simulation() -> None:
    words = Beside(requests=850.0, late=108.4, failed=0.0, gpu_hours=5.13).words()

    assert words.startswith("108 late, 0 failed of 850 requests, 5.1 GPU hours: simulated, the mean of 10 draws")
