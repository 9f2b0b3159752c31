"""A rival's metric is the sum of its measures; what is missing is missing."""

import math

import pytest

from autoscaler.simulation.rivals import measures
from autoscaler.simulation.rivals.measures import Metric, MetricType
from autoscaler.simulation.sight import PodMetric, TotalMetric
from tests.autoscaler.simulation.rivals.sights import sight

IN_PODS = Metric(measures=(PodMetric.RUNNING, PodMetric.WAITING), target=10.0)
EVERYWHERE = Metric(measures=(PodMetric.RUNNING, PodMetric.WAITING, TotalMetric.HELD), target=10.0, type=MetricType.EXTERNAL)


def test_a_pod_counts_with_the_sum_of_its_measures_and_only_if_it_shows_all_of_them() -> None:
    seen = sight(100.0, 3, {PodMetric.RUNNING: [4.0, 5.0], PodMetric.WAITING: [1.0]})

    assert measures.per_pod(IN_PODS, seen) == {"p0": 5.0}


def test_a_value_that_is_older_than_asked_for_is_missing() -> None:
    seen = sight(100.0, 1, {PodMetric.RUNNING: [4.0], PodMetric.WAITING: [1.0]}, age_s=3.5)

    assert measures.per_pod(IN_PODS, seen, fresh_s=3.0) == {}
    assert measures.per_pod(IN_PODS, seen, fresh_s=4.0) == {"p0": 5.0}


def test_what_dcgm_shows_may_be_as_old_as_dcgm_holds_it() -> None:
    utilization = Metric(measures=(PodMetric.GPU_UTIL,), target=70.0)
    seen = sight(100.0, 1, {PodMetric.GPU_UTIL: [80.0]}, age_s=32.0)  # held for 30 s, on top of the 3 s of a direct reading

    assert measures.per_pod(utilization, seen, fresh_s=3.0) == {"p0": 80.0}


def test_a_total_adds_pods_and_gateway() -> None:
    seen = sight(0.0, 2, {PodMetric.RUNNING: [4.0, 5.0], PodMetric.WAITING: [1.0, 0.0]}, total={TotalMetric.HELD: 3.0})

    assert measures.total(EVERYWHERE, seen) == 13.0


def test_a_total_is_missing_when_pods_run_and_none_of_them_shows_anything() -> None:
    assert measures.total(EVERYWHERE, sight(0.0, 2, total={TotalMetric.HELD: 3.0})) is None


def test_a_total_without_any_pod_is_what_the_gateway_holds() -> None:
    assert measures.total(EVERYWHERE, sight(0.0, 0, total={TotalMetric.HELD: 3.0})) == 3.0


def test_a_total_of_pods_alone_is_missing_without_any_pod() -> None:
    in_pods = Metric(measures=(PodMetric.WAITING,), target=10.0, type=MetricType.EXTERNAL)

    assert measures.total(in_pods, sight(0.0, 0)) is None


@pytest.mark.parametrize("target", [0.0, -1.0, math.inf, math.nan])
def test_a_target_is_a_positive_number(target: float) -> None:
    with pytest.raises(ValueError, match="not a positive number"):
        Metric(measures=(PodMetric.WAITING,), target=target)


def test_what_is_known_of_the_whole_target_is_no_metric_of_pods() -> None:
    with pytest.raises(ValueError, match="make the metric External"):
        Metric(measures=(TotalMetric.ARRIVALS,), target=1.0)
