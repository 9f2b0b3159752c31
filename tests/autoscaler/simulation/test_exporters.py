"""The way of a metric: what is held, scraped, lost and forgotten, and that nothing of it ever becomes a zero."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation.agenda import Agenda
from autoscaler.simulation.exporters import STALE_S, Exporters
from autoscaler.simulation.pods import Pods
from autoscaler.simulation.sight import PodMetric, Sample, TotalMetric
from autoscaler.simulation.world import Path, Startup, World
from tests.autoscaler.simulation.inmemory import Lines, load

ALIKE = Startup(p50_s=100.0, p90_s=100.0, probe_s=0.0)
CLEAN = Path(lost_ratio=0.0)
END = 5000.0


class Scraped:
    """Pods that are scraped, with a clock that moves by hand."""

    def __init__(
        self, path: Path = CLEAN, requests: Sequence[float] = (), *, seed: int = 1, first_replicas: int = 1, holds: bool = True
    ) -> None:
        world = World(startup=ALIKE, first_replicas=first_replicas)
        self.agenda = Agenda()
        self.service = Lines(load(requests, until=1e6), world, holds=holds, rng=np.random.default_rng(0))
        self.pods = Pods(world, seed, self.service, self.agenda)
        self.exporters = Exporters(path, seed, self.service, self.pods, self.agenda, until=END)
        self.now = 0.0

    def pass_until(self, until: float) -> None:
        for at, act in self.agenda.due(until):
            self.service.advance(at)
            act(at)
        self.service.advance(until)
        self.now = until

    def of(self, metric: PodMetric) -> Mapping[str, Sample]:
        return self.exporters.per_pod(self.now)[metric]

    def total(self) -> Mapping[TotalMetric, Sample]:
        return self.exporters.total(self.now)

    def each(self, step_s: float, until: float) -> list[float]:
        """Return the moments from now up to *until*, a step apart."""
        return [float(at) for at in np.arange(self.now + step_s, until + 1e-9, step_s)]

    def ats(self, read: Callable[[], Mapping[str, Sample]], until: float) -> list[float]:
        """Return when each sample of pod-1 up to *until* was measured."""
        ats: dict[float, None] = {}
        for moment in self.each(0.5, until):
            self.pass_until(moment)
            if "pod-1" in read():
                ats[read()["pod-1"].at] = None
        return list(ats)


def test_before_the_first_scrape_nothing_is_known() -> None:
    fleet = Scraped()

    assert {metric: dict(fleet.of(metric)) for metric in PodMetric} == {metric: {} for metric in PodMetric}
    assert dict(fleet.total()) == {}
    assert TotalMetric.HELD not in fleet.total()


@given(st.integers(0, 999))
def test_scrapes_come_every_interval_from_a_random_moment_on(seed: int) -> None:
    fleet = Scraped(Path(scrape_s=15.0, lost_ratio=0.0), seed=seed)

    ats = fleet.ats(lambda: fleet.of(PodMetric.RUNNING), 100.0)

    assert 0.0 <= ats[0] < 15.0
    assert np.diff(ats).tolist() == pytest.approx([15.0] * (len(ats) - 1))


def test_gauges_are_those_of_the_scrape() -> None:
    # 5 requests at 2 s: one runs and four wait, until one less does at each whole second.
    fleet = Scraped(Path(scrape_s=3.0, lost_ratio=0.0), requests=[2.0] * 5)

    fleet.pass_until(5.5)

    [(waiting, at)] = fleet.of(PodMetric.WAITING).values()
    assert 2.5 < at <= 5.5
    assert waiting == max(0, 4 - int(at - 2.0))
    assert fleet.of(PodMetric.RUNNING)["pod-1"] == Sample(1.0, at)
    assert fleet.of(PodMetric.KV_USAGE)["pod-1"].value == pytest.approx((waiting + 1) / 100)


def test_dcgm_shows_the_share_of_its_last_interval_in_which_the_gpu_computed() -> None:
    # A request of one second every four seconds.
    fleet = Scraped(Path(scrape_s=1.0, hold_s=30.0, lost_ratio=0.0), requests=[float(at) for at in range(4, 400, 4)])

    fleet.pass_until(390.0)

    # 30 s hold 7 or 8 of them, at their edges a part of one.
    assert fleet.of(PodMetric.GPU_UTIL)["pod-1"].value == pytest.approx(25.0, abs=100 * 1 / 30)


def test_dcgm_holds_its_sample_until_the_next() -> None:
    # Busy from 100 s to 200 s, and never else.
    fleet = Scraped(Path(scrape_s=1.0, hold_s=30.0, lost_ratio=0.0), requests=[100.0] * 100)

    shown = []
    for moment in fleet.each(1.0, 400.0):
        fleet.pass_until(moment)
        shown += [round(sample.value, 6) for sample in fleet.of(PodMetric.GPU_UTIL).values()]
    changes = [value for value, before in zip(shown[1:], shown, strict=False) if value != before]

    # Up, to the full, down by the rest, and to nothing: never more than four changes, and 30 s between them.
    assert len(changes) <= 4
    assert max(shown) == 100.0
    assert shown[-1] == 0.0
    # What was computed in all is not lost on the way: each value stands for 30 s.
    assert sum(changes) / 100 * 30 == pytest.approx(100.0, abs=30.0 + 1.0)


def test_dcgm_that_samples_more_often_than_it_is_scraped_shows_its_last_interval() -> None:
    # Busy without a pause.
    fleet = Scraped(Path(scrape_s=15.0, hold_s=1.0, lost_ratio=0.0), requests=[0.0] * 400)

    fleet.pass_until(100.0)

    assert fleet.of(PodMetric.GPU_UTIL)["pod-1"].value == pytest.approx(100.0)


@given(st.integers(0, 99), st.sampled_from([1.0, 10.0, 30.0]), st.sampled_from([1.0, 7.0, 15.0, 40.0]))
def test_utilisation_is_a_share_whatever_the_intervals(seed: int, hold_s: float, scrape_s: float) -> None:
    chance = np.random.default_rng(seed)
    path = Path(scrape_s=scrape_s, hold_s=hold_s, lost_ratio=0.2)
    fleet = Scraped(path, requests=sorted(chance.uniform(0.0, 300.0, 150).tolist()), seed=seed)

    for moment in fleet.each(5.0, 300.0):
        fleet.pass_until(moment)
        assert all(0.0 <= value <= 100.0 for value, _ in fleet.of(PodMetric.GPU_UTIL).values())


def test_pods_are_sampled_by_dcgm_each_at_its_own_moment() -> None:
    # Both are busy from 100 s on.
    fleet = Scraped(Path(scrape_s=1.0, lost_ratio=0.0), requests=[100.0] * 100, first_replicas=2)
    risen: dict[str, float] = {}

    for moment in fleet.each(1.0, 140.0):
        fleet.pass_until(moment)
        for name, (value, at) in fleet.of(PodMetric.GPU_UTIL).items():
            if value > 0.0:
                risen.setdefault(name, at)

    assert len(set(risen.values())) == 2


@given(st.integers(0, 999))
def test_a_lost_scrape_leaves_the_last_sample_with_its_time_and_is_never_a_zero(seed: int) -> None:
    # Busy throughout: whatever is not lost shows one that runs.
    fleet = Scraped(Path(lost_ratio=0.5), requests=[0.0] * 600, seed=seed)

    ats = fleet.ats(lambda: fleet.of(PodMetric.RUNNING), 300.0)

    assert {sample.value for sample in fleet.of(PodMetric.RUNNING).values()} <= {1.0}
    gaps = np.diff(ats) / 15.0
    assert gaps.tolist() == pytest.approx(np.round(gaps).tolist())


def test_as_many_scrapes_are_lost_as_is_said_and_each_exporters_by_itself() -> None:
    fleet = Scraped(Path(scrape_s=1.0, lost_ratio=0.3))

    engine: set[float] = set()
    dcgm: set[float] = set()
    gateway: set[float] = set()
    for moment in fleet.each(1.0, 1000.0):
        fleet.pass_until(moment)
        engine |= {sample.at for sample in fleet.of(PodMetric.RUNNING).values()}
        dcgm |= {sample.at for sample in fleet.of(PodMetric.GPU_UTIL).values()}
        gateway |= {sample.at for metric, sample in fleet.total().items() if metric is TotalMetric.HELD}

    # A share of 1,000 has a standard error of 0.0145.
    for through in (engine, dcgm, gateway):
        assert len(through) / 1000 == pytest.approx(0.7, abs=0.06)
    assert len(engine & dcgm) / 1000 == pytest.approx(0.49, abs=0.06)


def test_in_an_outage_nothing_is_scraped_and_what_is_too_old_is_absent() -> None:
    fleet = Scraped(Path(lost_ratio=0.0, outages=((100.0, 500.0),)), requests=[0.0] * 600)
    fleet.pass_until(99.0)
    last = fleet.of(PodMetric.RUNNING)["pod-1"]

    fleet.pass_until(last.at + STALE_S - 1.0)
    assert fleet.of(PodMetric.RUNNING)["pod-1"] == last
    assert fleet.total()[TotalMetric.HELD].at == last.at
    assert TotalMetric.ARRIVALS not in fleet.total()  # no two scrapes within its window
    fleet.pass_until(last.at + STALE_S + 0.1)
    assert fleet.of(PodMetric.RUNNING) == {}
    assert fleet.of(PodMetric.GPU_UTIL) == {}
    assert dict(fleet.total()) == {}
    fleet.pass_until(515.0)
    assert fleet.of(PodMetric.RUNNING)["pod-1"].at >= 500.0


def test_when_every_scrape_is_lost_nothing_is_ever_known() -> None:
    fleet = Scraped(Path(lost_ratio=1.0))

    fleet.pass_until(200.0)

    assert fleet.of(PodMetric.RUNNING) == {}
    assert dict(fleet.total()) == {}


def test_a_pod_has_no_sample_before_its_containers_run_and_no_engine_before_it_is_ready() -> None:
    fleet = Scraped(Path(scrape_s=1.0, lost_ratio=0.0), first_replicas=0)
    fleet.pods.scale(1, (), 0.0)

    fleet.pass_until(21.5)
    assert fleet.of(PodMetric.GPU_UTIL) == {}
    fleet.pass_until(99.0)
    assert fleet.of(PodMetric.GPU_UTIL)["pod-1"].value == 0.0
    assert fleet.of(PodMetric.RUNNING) == {}
    fleet.pass_until(101.5)
    assert fleet.of(PodMetric.RUNNING)["pod-1"].value == 0.0


def test_a_pod_that_is_gone_disappears_at_once() -> None:
    fleet = Scraped(first_replicas=2)
    fleet.pass_until(50.0)
    assert set(fleet.of(PodMetric.GPU_UTIL)) == {"pod-1", "pod-2"}

    fleet.pods.scale(1, ("pod-1",), 50.0)
    assert set(fleet.of(PodMetric.GPU_UTIL)) == {"pod-1", "pod-2"}
    fleet.pass_until(53.0)

    assert set(fleet.of(PodMetric.GPU_UTIL)) == {"pod-2"}


def test_what_was_seen_does_not_change_when_it_is_looked_at_later() -> None:
    # 5 requests at 2 s: four wait at first, and none in the end.
    fleet = Scraped(Path(scrape_s=1.0, lost_ratio=0.0), requests=[2.0] * 5)
    fleet.pass_until(3.5)

    before = fleet.exporters.per_pod(3.5)
    fleet.pass_until(50.0)

    assert set(before) == set(PodMetric)
    assert before[PodMetric.WAITING]["pod-1"].at <= 3.5
    assert before[PodMetric.WAITING]["pod-1"].value >= 3.0
    assert before[PodMetric.WAITING] is before[PodMetric.WAITING]


def test_arrivals_are_a_rate_over_the_window_of_what_was_scraped() -> None:
    # Two a second until 100 s, and none after.
    fleet = Scraped(requests=[float(at) for at in np.arange(0.25, 100.0, 0.5)])

    fleet.pass_until(14.9)
    assert TotalMetric.ARRIVALS not in fleet.total()
    fleet.pass_until(99.0)
    assert fleet.total()[TotalMetric.ARRIVALS].value == pytest.approx(2.0, abs=0.05)
    fleet.pass_until(180.0)
    assert fleet.total()[TotalMetric.ARRIVALS].value == 0.0


def test_requests_that_nobody_takes_are_shown() -> None:
    fleet = Scraped(requests=[1.0, 2.0], first_replicas=0)

    fleet.pass_until(30.0)

    assert fleet.total()[TotalMetric.HELD].value == 2.0


def test_the_time_to_first_token_is_of_the_window_and_absent_without_any() -> None:
    # One by one: ten at 100 s are answered after 1, 2, … 10 s.
    fleet = Scraped(Path(scrape_s=5.0, lost_ratio=0.0), requests=[100.0] * 10)

    fleet.pass_until(100.0)
    assert TotalMetric.TTFT_P90 not in fleet.total()
    fleet.pass_until(120.0)
    assert fleet.total()[TotalMetric.TTFT_P90].value == 9.0
    fleet.pass_until(180.0)
    assert TotalMetric.TTFT_P90 not in fleet.total()


def test_scrapes_that_were_lost_leave_out_no_request() -> None:
    # One a second, answered in one second, and none other.
    fleet = Scraped(Path(scrape_s=5.0, lost_ratio=0.5), requests=[float(at) for at in range(1, 300)])

    for moment in fleet.each(5.0, 290.0):
        fleet.pass_until(moment)
        total = fleet.total()
        if TotalMetric.ARRIVALS in total:
            assert total[TotalMetric.ARRIVALS].value == pytest.approx(1.0)
            assert total[TotalMetric.TTFT_P90].value == 1.0
