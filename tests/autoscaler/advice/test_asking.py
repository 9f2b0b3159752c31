"""Prometheus is asked for no more than there may be, is left alone while it is busy, and asked for less where it is too much."""

import math
from collections.abc import Iterator

import numpy as np
import pytest

from adapter.errors import Fault, SourceError
from autoscaler.advice import asking, budget, questions
from autoscaler.advice.asking import Asker, Found, SpentError
from autoscaler.advice.verdict import Name
from tests.autoscaler.advice import gpus

END_S = 1_800_000_000
BUSY = (503, "unavailable", "too many concurrent queries")
TOO_MUCH = (422, "execution", "query processing would load too many samples into memory in query execution")
QWEN = Name("llm", "qwen")
PAST = (questions.load(*QWEN, target_percent=70.0), questions.replicas(*QWEN))


@pytest.fixture
def server() -> Iterator[gpus.Gpus]:
    with gpus.serve() as found:
        found.deployments[QWEN] = gpus.Deployment(load=lambda at: at % 7, replicas=lambda _: 8.0, gpus_each=2)
        yield found


@pytest.fixture
def pauses() -> list[float]:
    return []


def asker(server: gpus.Gpus, pauses: list[float], *, days: float = 7.0, most: int = 20, points: int = 250_000) -> Asker:
    plan = budget.plan(days=days, deployments=most, points=points)
    return Asker(server.url, plan, points=points, deadline_s=5.0, pause=pauses.append)


def exhaust(asking_: Asker) -> str:
    """Ask for as much as there may be, whatever is refused, and return the words at the end of it."""
    while True:
        try:
            asking_.together(PAST, end_s=END_S)
        except SourceError:
            continue
        except SpentError as error:
            return str(error)


def test_deployments_come_with_their_gpus_the_largest_first(server: gpus.Gpus, pauses: list[float]) -> None:
    server.deployments[Name("llm", "large")] = gpus.Deployment(load=lambda _: 1.0, replicas=lambda _: 4.0, gpus_each=8)

    found = asker(server, pauses).deployments(end_s=END_S, namespace=None)

    assert found == [Found(Name("llm", "large"), 8), Found(QWEN, 2)]


def test_one_that_was_at_zero_for_most_of_the_time_is_found_and_its_silence_is_a_gap(
    server: gpus.Gpus, pauses: list[float]
) -> None:
    awake = gpus.Deployment(
        load=lambda at: 1.0 if at > END_S - 40_000 else None, replicas=lambda at: 2.0 if at > END_S - 40_000 else None
    )
    server.deployments = {QWEN: awake}
    asking_ = asker(server, pauses)

    found = asking_.deployments(end_s=END_S, namespace=None)
    load, replicas = asking_.together(PAST, end_s=END_S)

    assert found == [Found(QWEN, 1)]
    assert np.isnan(load.values[0])
    assert np.isnan(replicas.values[0])
    assert np.nansum(load.values) * load.step_s == pytest.approx(40_000, abs=load.step_s)


def test_few_deployments_are_looked_at_more_closely_than_many(server: gpus.Gpus, pauses: list[float]) -> None:
    asking_ = asker(server, pauses)
    planned = asking_.step_s

    asking_.deployments(end_s=END_S, namespace=None)
    load, _ = asking_.together(PAST, end_s=END_S)

    # A week of minutes are 10 080 points, twice: they are there for one Deployment, and were not for twenty.
    assert (planned, asking_.step_s, load.step_s, len(load.values)) == (120, 60, 60, 10_080)
    assert asking_.points == 2 * 24 + 2 * 10_080 == sum(asked.points for asked in server.asked)


def test_a_value_is_that_of_the_end_of_its_bucket(server: gpus.Gpus, pauses: list[float]) -> None:
    server.deployments[QWEN] = gpus.Deployment(load=lambda at: at - END_S + 86_400, replicas=lambda _: 1.0)

    load, _ = asker(server, pauses, days=1.0, points=2_000, most=1).together(PAST, end_s=END_S)

    buckets = load.start_s - END_S + 86_400 + load.step_s * np.arange(1, len(load.values) + 1)
    np.testing.assert_array_equal(load.values, buckets)
    assert load.start_s + load.step_s * len(load.values) <= END_S


def test_a_prometheus_that_is_busy_is_left_alone_each_time_for_longer(server: gpus.Gpus, pauses: list[float]) -> None:
    server.refusals = [BUSY, BUSY]

    found = asker(server, pauses).deployments(end_s=END_S, namespace=None)

    assert [each.name for each in found] == [QWEN]
    assert pauses == [2.0, 5.0]


def test_one_that_stays_busy_is_given_up(server: gpus.Gpus, pauses: list[float]) -> None:
    server.refusals = [BUSY] * 10

    with pytest.raises(SourceError, match="too many concurrent queries") as raised:
        asker(server, pauses).deployments(end_s=END_S, namespace=None)

    assert raised.value.fault is Fault.DOWN
    assert pauses == list(asking.PAUSES_S)
    assert len(server.asked) == 1 + len(asking.PAUSES_S)


def test_an_address_at_which_nobody_is_is_told_at_once(pauses: list[float]) -> None:
    with gpus.serve() as gone:
        asking_ = asker(gone, pauses)

    with pytest.raises(SourceError, match="connection refused"):
        asking_.deployments(end_s=END_S, namespace=None)
    assert pauses == []


@pytest.mark.parametrize(
    "refusal", [TOO_MUCH, (400, "bad_data", "exceeded maximum resolution of 11,000 points"), (503, "timeout", "query timed out")]
)
def test_what_is_too_much_is_asked_for_at_a_quarter_of_the_points_and_both_series_keep_their_steps(
    server: gpus.Gpus, pauses: list[float], refusal: tuple[int, str, str]
) -> None:
    asking_ = asker(server, pauses, most=1)
    server.refusals = [refusal]

    load, replicas = asking_.together(PAST, end_s=END_S)

    first, second, third = server.asked
    assert (first.step_s, second.step_s, third.step_s) == (60, 300, 300)
    assert second.points * 4 <= first.points
    assert (load.step_s, load.start_s, len(load.values)) == (replicas.step_s, replicas.start_s, len(replicas.values))
    assert pauses == []


def test_where_the_second_series_is_too_much_the_first_is_asked_for_again(server: gpus.Gpus, pauses: list[float]) -> None:
    asking_ = asker(server, pauses, most=1)
    server.most_points = 500

    load, replicas = asking_.together(PAST, end_s=END_S)

    assert load.step_s == replicas.step_s == 1800
    assert asking_.step_s == 1800  # and that is how the next are asked for


def test_what_is_too_much_at_any_width_is_given_up(server: gpus.Gpus, pauses: list[float]) -> None:
    asking_ = asker(server, pauses, most=1)
    server.most_points = 10

    with pytest.raises(SourceError, match="too many samples"):
        asking_.together(PAST, end_s=END_S)
    assert [asked.step_s for asked in server.asked] == [60, 300, 1800]


def test_deployments_are_looked_for_at_fewer_moments_where_all_of_them_are_too_much(server: gpus.Gpus, pauses: list[float]) -> None:
    server.most_points = 3

    found = asker(server, pauses, most=1).deployments(end_s=END_S, namespace=None)

    assert [each.name for each in found] == [QWEN]
    assert [asked.points for asked in server.asked] == [24, 6, 1, 24, 6, 1]
    assert {asked.last_s for asked in server.asked} == {END_S}


@pytest.mark.parametrize("refusal", [BUSY, TOO_MUCH])
def test_whatever_is_refused_there_are_no_more_queries_nor_points_than_said(
    server: gpus.Gpus, pauses: list[float], refusal: tuple[int, str, str]
) -> None:
    asking_ = asker(server, pauses, most=1, points=25_000)
    plan = budget.plan(days=7.0, deployments=1, points=25_000)
    server.refusals = [refusal if number % 2 else BUSY for number in range(100)]

    exhaust(asking_)

    assert len(server.asked) == asking_.queries <= plan.queries + budget.AGAIN
    assert sum(asked.points for asked in server.asked) == asking_.points <= 25_000


def test_a_budget_that_is_spent_says_what_it_was(server: gpus.Gpus, pauses: list[float]) -> None:
    asking_ = asker(server, pauses, most=1)

    assert "all of its 12 queries are asked" in exhaust(asking_)


def test_what_is_no_number_is_a_gap(server: gpus.Gpus, pauses: list[float]) -> None:
    server.deployments[QWEN] = gpus.Deployment(load=lambda _: math.nan, replicas=lambda _: -1.0)

    load, replicas = asker(server, pauses, most=1).together(PAST, end_s=END_S)

    assert np.isnan(load.values).all()
    assert np.isnan(replicas.values).all()
