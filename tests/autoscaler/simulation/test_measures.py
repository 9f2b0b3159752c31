"""What a signal reads of the fleet."""

import math

import pytest

from autoscaler.cluster.answers import Answer
from autoscaler.decision.model import Kind, Signal, Source, TargetType
from autoscaler.simulation import measures
from autoscaler.simulation.measures import Measure, MeasureError, Meter
from autoscaler.simulation.sight import PodMetric, Sample, Sight, TotalMetric

SIGHT = Sight(
    now=100.0,
    replicas=2,
    pods=(),
    per_pod={
        PodMetric.GPU_UTIL: {"a": Sample(57.0, 90.0), "b": Sample(3.14159, 80.0), "c": Sample(math.nan, 80.0)},
        PodMetric.WAITING: {"a": Sample(3.0, 95.0), "b": Sample(1.0, 96.0)},
        PodMetric.RUNNING: {"a": Sample(8.0, 94.0)},
        PodMetric.KV_USAGE: {"a": Sample(0.25, 95.0)},
    },
    total={
        TotalMetric.ARRIVALS: Sample(7.0, 97.0),
        TotalMetric.HELD: Sample(5.0, 93.0),
        TotalMetric.TTFT_P90: Sample(0.75, 91.0),
    },
)


def signal(kind: Kind, source: Source = Source.PODS, *, name: str = "m", percent: bool = False) -> Signal:
    return Signal(name=name, kind=kind, source=source, target_milli=1000, percent=percent)


def answered(signal: Signal) -> Answer:
    return Meter(signal, measures.metric_of(signal), start_s=1000.0).read(SIGHT, ["a", "b"])


def test_per_cent_and_ratio_are_told_apart() -> None:
    percent, ratio = answered(signal(Kind.UTILIZATION, percent=True)), answered(signal(Kind.UTILIZATION))

    # Thousandths, rounded as the adapter rounds; what is not a number is absent.
    assert percent.values == {"a": (57_000, 1090.0), "b": (3142, 1080.0)}
    assert ratio.values == {"a": (570, 1090.0), "b": (31, 1080.0)}


def test_requests_in_flight_are_those_that_wait_and_those_that_run() -> None:
    # b does not show what runs: it is missing, not idle.
    assert answered(signal(Kind.CONCURRENCY)).values == {"a": (11_000, 1094.0)}


def test_a_queue_of_the_whole_target_counts_what_the_gateway_holds() -> None:
    assert answered(signal(Kind.QUEUE, Source.OBJECT)) == Answer(total_milli=9000, at=1093.0)


def test_a_queue_of_a_target_without_pods_is_what_the_gateway_holds() -> None:
    asked = signal(Kind.QUEUE, Source.EXTERNAL)
    empty = Sight(now=100.0, replicas=0, pods=(), total={TotalMetric.HELD: Sample(5.0, 93.0)})

    told = Meter(asked, measures.metric_of(asked)).read(empty, [])

    assert told == Answer(total_milli=5000, at=93.0)


def test_what_nothing_shows_is_missing_and_not_zero() -> None:
    dark = Sight(now=100.0, replicas=1, pods=())

    for asked in (signal(Kind.RATE, Source.EXTERNAL), signal(Kind.QUEUE, Source.OBJECT), signal(Kind.QUEUE)):
        told = Meter(asked, measures.metric_of(asked)).read(dark, ["a"])
        assert told.total_milli is None
        assert not told.values
        assert told.why


def test_arrivals_are_the_targets_or_spread_over_its_pods() -> None:
    assert answered(signal(Kind.RATE, Source.EXTERNAL)) == Answer(total_milli=7000, at=1097.0)
    assert answered(signal(Kind.RATE)).values == {"a": (3500, 1097.0), "b": (3500, 1097.0)}


def test_a_latency_is_that_of_all_pods() -> None:
    assert answered(signal(Kind.LATENCY)).values == {"a": (750, 1091.0), "b": (750, 1091.0)}
    assert answered(signal(Kind.LATENCY, Source.OBJECT)).total_milli == 750


def test_the_kv_cache_is_read_as_a_ratio() -> None:
    assert answered(signal(Kind.KV_CACHE)).values == {"a": (250, 1095.0)}


def test_a_measure_may_count_tokens_where_requests_are_known() -> None:
    asked = signal(Kind.RATE, Source.EXTERNAL, name="tokens_per_second")

    told = Meter(asked, Measure(totals=(TotalMetric.ARRIVALS,), factor=120.0)).read(SIGHT, [])

    assert told.total_milli == 840_000


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        (signal(Kind.OTHER, name="odd"), "signal odd .*give it a kind"),
        (signal(Kind.RATE, name="tokens_per_second"), "signal tokens_per_second .*rate of requests"),
        (signal(Kind.LATENCY, name="inter_token_latency_p90_seconds"), "time to first token"),
        (signal(Kind.UTILIZATION, Source.EXTERNAL, name="gpus"), "signal gpus .*Pods metric"),
    ],
)
def test_what_is_not_simulated_is_refused_with_its_remedy(asked: Signal, remedy: str) -> None:
    with pytest.raises(MeasureError, match=remedy):
        measures.metric_of(asked)


def test_a_value_compared_as_it_stands_is_read_alike() -> None:
    whole = Signal(name="q", kind=Kind.QUEUE, source=Source.OBJECT, target_type=TargetType.VALUE, target_milli=1000)

    assert answered(whole).total_milli == 9000


def test_what_changes_in_the_very_same_mappings_is_seen() -> None:
    shown = {"a": Sample(1.0, 5.0)}
    meter = Meter(signal(Kind.QUEUE), measures.metric_of(signal(Kind.QUEUE)))
    live = Sight(now=10.0, replicas=1, pods=(), per_pod={PodMetric.WAITING: shown})
    before = meter.read(live, [])

    again = meter.read(live, [])
    shown["a"] = Sample(2.0, 10.0)

    assert again is before
    assert meter.read(live, []).values == {"a": (2000, 10.0)}
