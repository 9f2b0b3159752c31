"""The service of a log: nothing is lost, counted twice, or different for being looked at more often."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.simulation import service, workload, world
from autoscaler.simulation.serving.logged import RequestService

PODS = range(4)

ENGINES = (
    world.Llm(max_sequences=4, kv_tokens=3_000),
    world.Classic(batch_s=0.2, max_batch=4),
    world.Classic(batch_s=0.2, exponential=True),
)


@dataclass(frozen=True)
class Act:
    """What is done to *pod* after *after_s*."""

    name: str
    pod: int
    after_s: float

    def on(self, serving: RequestService) -> None:
        getattr(serving, self.name)(self.pod)


worlds = st.builds(
    lambda engine, **router: world.World(engine=engine, router=world.Router(**router)),
    st.sampled_from(ENGINES),
    stale_s=st.sampled_from([0.0, 0.3, 1.0]),
    patience_s=st.sampled_from([0.5, 3.0, 60.0]),
    in_flight_per_pod=st.sampled_from([None, 1, 5]),
)
schedules = st.lists(
    st.builds(Act, st.sampled_from(["add", "add", "withdraw", "remove"]), st.sampled_from(PODS), st.floats(0.0, 2.0)), max_size=25
)


def log(seed: int, *, requests: int = 120, seconds: float = 15.0) -> workload.Requests:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0.0, seconds, requests))
    return workload.Requests("test", at, rng.integers(1, 1_500, requests), rng.integers(1, 80, requests))


def serve(
    at: list[float],
    engine: world.Engine,
    *,
    prompt: int = 1,
    output: int = 1,
    holds: bool = True,
    router: world.Router | None = None,
    slo: world.Slo | None = None,
) -> RequestService:
    requests = workload.Requests("test", at, [prompt] * len(at), [output] * len(at))
    setting = world.World(engine=engine, router=router or world.Router(), slo=slo or world.Slo())
    return RequestService(requests, setting, holds=holds, rng=np.random.default_rng(0))


def inside(serving: RequestService) -> float:
    return serving.held + sum(serving.outstanding(pod) for pod in PODS)


@given(setting=worlds, holds=st.booleans(), acts=schedules, seed=st.integers(0, 1_000))
def test_every_request_is_done_failed_or_inside_at_every_moment(
    setting: world.World, holds: bool, acts: list[Act], seed: int
) -> None:
    requests = log(seed)
    serving = RequestService(requests, setting, holds=holds, rng=np.random.default_rng(seed))
    now = 0.0
    for act in [*acts, Act("add", 0, 5.0), Act("withdraw", 1, 20.0), Act("remove", 0, 200.0)]:
        now += act.after_s

        serving.advance(now)
        for _ in range(2):  # before the act and after it
            tally = serving.tally
            assert tally.came == serving.arrived == np.count_nonzero(requests.at <= now)
            assert tally.came == tally.completed + tally.failed + inside(serving)
            assert tally.late <= tally.completed <= len(tally.first_token_s)
            act.on(serving)


@given(setting=worlds, acts=schedules, seed=st.integers(0, 1_000))
def test_no_gpu_computes_for_longer_than_its_pod_is_there(setting: world.World, acts: list[Act], seed: int) -> None:
    serving = RequestService(log(seed), setting, holds=True, rng=np.random.default_rng(seed))
    now, busy_s, seen = 0.0, dict.fromkeys(PODS, 0.0), dict.fromkeys(PODS, 0.0)
    for act in acts:
        now += act.after_s
        serving.advance(now)
        for pod in PODS:
            shown = serving.gauges(pod)
            assert -1e-9 <= shown.busy_s - busy_s[pod] <= now - seen[pod] + 1e-9
            assert 0.0 <= shown.kv_ratio <= 1.0
            busy_s[pod], seen[pod] = shown.busy_s, now
        act.on(serving)
        if act.name == "remove":
            busy_s[act.pod] = 0.0


@given(setting=worlds, acts=schedules, seed=st.integers(0, 1_000), parts=st.integers(2, 40))
def test_many_small_steps_of_time_are_one_large_step(setting: world.World, acts: list[Act], seed: int, parts: int) -> None:
    one, many = (RequestService(log(seed), setting, holds=True, rng=np.random.default_rng(seed)) for _ in range(2))
    now = 0.0
    for act in [*acts, Act("add", 0, 30.0)]:
        before, now = now, now + act.after_s
        one.advance(now)
        for part in range(1, parts):
            many.advance(before + act.after_s * part / parts)
            for pod in PODS:
                many.gauges(pod)
        many.advance(now)

        # Not nearly: to the bit, for the same events happen at the same times.
        assert one.tally == many.tally
        assert [one.gauges(pod) for pod in PODS] == [many.gauges(pod) for pod in PODS]
        act.on(one)
        act.on(many)


@given(setting=worlds, acts=schedules, seed=st.integers(0, 1_000))
def test_the_same_seed_gives_the_same_result(setting: world.World, acts: list[Act], seed: int) -> None:
    def run() -> service.Tally:
        serving = RequestService(log(seed), setting, holds=True, rng=np.random.default_rng(seed))
        for number, act in enumerate(acts, 1):
            serving.advance(number * 0.7)
            act.on(serving)
        serving.advance(100.0)
        return serving.tally

    assert run() == run()


def test_chance_is_the_requests_own_whichever_pod_serves_it() -> None:
    engine = world.Classic(batch_s=1.0, item_s=0.0, exponential=True)

    def times(pods: int) -> list[float]:
        serving = serve([0.0, 1_000.0, 2_000.0], engine, router=world.Router(patience_s=math.inf))
        for pod in range(pods):
            serving.add(pod)
        serving.advance(3_000.0)
        return [first for first, _ in serving.tally.first_token_s]

    # The requests are so far apart that none waits for another: each takes its own time, on one pod or on three.
    assert times(1) == pytest.approx(times(3))
    assert len(set(times(1))) == 3


def test_time_only_moves_forward() -> None:
    serving = serve([0.0], world.Llm())
    serving.advance(5.0)

    with pytest.raises(ValueError, match=r"time only moves forward: it is 5\.0 s, not 4\.0 s"):
        serving.advance(4.0)


def test_requests_without_a_pod_are_refused_at_once_where_nobody_holds_them() -> None:
    serving = serve([1.0, 2.0, 9.0], world.Llm(), holds=False)

    serving.advance(5.0)
    serving.add(0)
    serving.advance(20.0)

    assert (serving.tally.refused, serving.tally.completed, serving.held) == (2.0, 1.0, 0.0)


def test_requests_without_a_pod_wait_where_they_are_held_and_the_waiting_counts() -> None:
    serving = serve([1.0, 2.0], world.Classic(batch_s=0.1, item_s=0.0, max_batch=1))

    serving.advance(5.0)
    held = serving.held
    serving.add(0)
    serving.advance(20.0)

    # One at a time from 5.0 on, 0.1 s each: 5.1 - 1 and 5.2 - 2.
    assert held == 2.0
    assert [first for first, _ in serving.tally.first_token_s] == pytest.approx([4.1, 3.2])
    assert serving.tally.late == 2.0


def test_a_gateway_that_does_not_hold_at_zero_still_keeps_what_exceeds_its_limit() -> None:
    slow = world.Classic(batch_s=1.0, item_s=0.0, max_batch=1)
    serving = serve([0.0, 0.1, 0.2, 0.3], slow, holds=False, router=world.Router(in_flight_per_pod=1))
    serving.add(0)

    serving.advance(0.5)
    held, at_pod = serving.held, serving.outstanding(0)
    serving.advance(10.0)

    assert (held, at_pod) == (3.0, 1.0)
    assert serving.tally.completed == 4.0


def test_a_client_gives_up_at_the_router_when_its_patience_ends() -> None:
    serving = serve([1.0, 2.0], world.Llm(), router=world.Router(patience_s=10.0))

    serving.advance(10.999)
    before = serving.tally.timed_out, serving.held
    serving.advance(11.0)

    assert before == (0.0, 2.0)
    assert (serving.tally.timed_out, serving.held) == (1.0, 1.0)


def test_a_client_gives_up_in_the_queue_of_a_pod_and_the_next_has_its_turn_sooner() -> None:
    one_at_a_time = world.Classic(batch_s=4.0, item_s=0.0, max_batch=1)
    serving = serve([0.0, 0.0, 3.0], one_at_a_time, router=world.Router(patience_s=5.0))
    serving.add(0)

    serving.advance(20.0)

    # The first is done at 4. The second began then, and its client left at 5: it blocks until 8, as nobody stops a batch. The
    # third would have been done at 12, and its client left at 8.
    assert (serving.tally.completed, serving.tally.timed_out) == (1.0, 2.0)


def test_a_client_with_its_first_token_waits_for_the_rest_however_long_it_takes() -> None:
    serving = serve([0.0], world.Llm(), output=1_000, router=world.Router(patience_s=1.0))
    serving.add(0)

    serving.advance(60.0)

    # 999 steps of 9 ms: some 9 s.
    assert (serving.tally.completed, serving.tally.timed_out) == (1.0, 0.0)


def test_a_withdrawn_pod_finishes_what_it_has_and_gets_nothing_more() -> None:
    serving = serve([0.0, 1.0], world.Classic(batch_s=5.0, item_s=0.0, max_batch=1))
    serving.add(0)
    serving.advance(0.5)

    serving.withdraw(0)
    serving.advance(10.0)

    assert (serving.tally.completed, serving.held, serving.outstanding(0)) == (1.0, 1.0, 0.0)
    serving.add(0)
    assert (serving.held, serving.outstanding(0)) == (0.0, 1.0)


def test_what_a_removed_pod_still_has_is_killed() -> None:
    serving = serve([0.0, 0.0, 0.0], world.Llm(), prompt=500, output=1_000)
    serving.add(0)
    serving.advance(0.05)  # the first has its first token, the second is a prompt, the third waits

    serving.remove(0)
    serving.advance(100.0)

    assert (serving.tally.killed, serving.tally.completed, serving.outstanding(0)) == (3.0, 0.0, 0.0)
    assert serving.gauges(0) == service.Gauges(0.0, 0.0, 0.0, 0.0)


def test_pods_nobody_knows_are_idle_and_may_be_withdrawn_and_removed() -> None:
    serving = serve([5.0], world.Llm())

    serving.withdraw(7)
    serving.remove(7)

    assert serving.outstanding(7) == 0.0
    assert serving.gauges(7) == service.Gauges(0.0, 0.0, 0.0, 0.0)


def test_recent_first_tokens_are_those_since_then() -> None:
    serving = serve([0.0, 10.0, 20.0], world.Classic(batch_s=1.0, item_s=0.0))
    serving.add(0)

    serving.advance(30.0)

    # They are answered at 1, 11 and 21.
    assert len(serving.recent_first_tokens(0.0)) == 3
    assert list(serving.recent_first_tokens(11.0)) == [(1.0, 1.0), (1.0, 1.0)]
    assert not serving.recent_first_tokens(21.5)


@pytest.mark.parametrize(
    ("slo", "late"),
    [
        (world.Slo(first_token_s=0.5, between_tokens_s=0.02), 0.0),
        (world.Slo(first_token_s=0.02, between_tokens_s=0.02), 1.0),
        (world.Slo(first_token_s=0.5, between_tokens_s=0.008), 1.0),
    ],
)
def test_an_answer_is_late_by_its_first_token_or_by_the_mean_time_between_the_others(slo: world.Slo, late: float) -> None:
    # 8 ms + 512 × 0.05 ms until the first token: 33.6 ms; then 9 ms for each.
    serving = serve([0.0], world.Llm(), prompt=512, output=20, slo=slo)
    serving.add(0)

    serving.advance(10.0)

    assert (serving.tally.completed, serving.tally.late) == (1.0, late)


def test_requests_spread_over_the_pods_even_while_the_router_sees_nothing() -> None:
    serving = serve([0.01 * number for number in range(8)], world.Llm(), output=1_000, router=world.Router(stale_s=1_000.0))
    for pod in PODS:
        serving.add(pod)

    serving.advance(0.5)

    assert [serving.outstanding(pod) for pod in PODS] == [2.0, 2.0, 2.0, 2.0]


def test_a_waking_pod_is_given_all_that_is_held_unless_a_limit_holds_them_back() -> None:
    at = [0.0] * 10
    slow = world.Classic(batch_s=100.0, max_batch=1)
    free, limited = (serve(at, slow, router=replace(world.Router(), in_flight_per_pod=limit)) for limit in (None, 3))
    for serving in (free, limited):
        serving.advance(1.0)
        serving.add(0)

    assert (free.outstanding(0), free.held) == (10.0, 0.0)
    assert (limited.outstanding(0), limited.held) == (3.0, 7.0)
