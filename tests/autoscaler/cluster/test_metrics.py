"""Reading metrics in bulk: what is asked, how often, and what becomes of an answer or of none. Loop time is fake."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapter.errors import ApiServerError
from autoscaler.cluster.metrics import Metrics
from autoscaler.decision.model import Source
from autoscaler.resource.scaler import Query, TargetRef
from tests.autoscaler.cluster.provider import Provider, pod_values
from tests.integration.kube.waiting import running

QUEUE = Query(source=Source.PODS, metric="queue")
BACKLOG = Query(source=Source.EXTERNAL, metric="backlog", metric_selector="team=a")
HITS = Query(source=Source.OBJECT, metric="hits", described=TargetRef("networking.k8s.io/v1", "Ingress", "web"))
QUEUE_PATH = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/queue"

pytestmark = pytest.mark.looptime


@pytest.fixture
def provider() -> Provider:
    both = [{"version": "v1beta1"}, {"version": "v1beta2"}]
    documents = {"/apis/custom.metrics.k8s.io": {"versions": both}, "/apis/external.metrics.k8s.io": {"versions": both[:1]}}
    return Provider({**documents, QUEUE_PATH: pod_values(a="1", b="2500m")})


@pytest.fixture
def metrics(provider: Provider) -> Metrics:
    return Metrics(kube=provider, jitter=lambda: 0.0)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - the loop's time is fake, so this waits for nothing
            await asyncio.sleep(0.25)


async def test_one_request_reads_a_metric_of_all_pods_of_a_namespace(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({("shop", QUEUE)})
    assert metrics.answer("shop", QUEUE).why == "it has not been read yet"

    async with running(metrics.run()):
        await until(lambda: metrics.answer("shop", QUEUE).values)

    assert metrics.answer("shop", QUEUE).values == {"a": (1_000, 1_790_000_000.0), "b": (2_500, 1_790_000_000.0)}
    assert provider.times(QUEUE_PATH) == [0.0]
    assert "no scaler asked" in metrics.answer("elsewhere", QUEUE).why


async def test_objects_and_external_metrics_are_asked_for_as_hpa_does(provider: Provider, metrics: Metrics) -> None:
    provider.documents["/apis/networking.k8s.io/v1"] = {"resources": [{"name": "ingresses", "kind": "Ingress", "namespaced": True}]}
    hits = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/web/hits"
    backlog = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/backlog"
    load = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/load"
    provider.documents |= {hits: pod_values(web="7"), load: pod_values(shop="8")}
    provider.documents[backlog] = {"items": [{"timestamp": "2026-09-21T14:13:20Z", "value": value} for value in ("3", "4")]}
    of_namespace = Query(source=Source.OBJECT, metric="load", described=TargetRef("v1", "Namespace", "shop"))

    metrics.wanted({("shop", HITS), ("shop", BACKLOG), ("shop", of_namespace)})
    async with running(metrics.run()):
        await until(lambda: all(metrics.answer("shop", each).total_milli for each in (HITS, BACKLOG, of_namespace)))

    assert [metrics.answer("shop", each).total_milli for each in (HITS, BACKLOG, of_namespace)] == [7_000, 7_000, 8_000]
    assert {path: query for _, path, query in provider.asked if query} == {backlog: {"labelSelector": "team=a"}}


async def test_a_metrics_own_labels_are_selected_by(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({("shop", Query(source=Source.PODS, metric="queue", metric_selector="model=a"))})

    async with running(metrics.run()):
        await until(lambda: provider.times(QUEUE_PATH))

    assert provider.asked[-1][2] == {"metricLabelSelector": "model=a"}


async def test_a_provider_of_the_older_version_is_asked_in_it(provider: Provider, metrics: Metrics) -> None:
    provider.documents["/apis/custom.metrics.k8s.io"] = {"versions": [{"version": "v1beta1"}]}
    provider.documents[QUEUE_PATH.replace("v1beta2", "v1beta1")] = pod_values(a="5")
    metrics.wanted({("shop", QUEUE)})

    async with running(metrics.run()):
        await until(lambda: metrics.answer("shop", QUEUE).values)

    assert provider.times(QUEUE_PATH) == []


@pytest.mark.parametrize(
    ("path", "answer", "why"),
    [
        ("/apis/custom.metrics.k8s.io", None, "nothing serves custom.metrics.k8s.io: install leadtime's adapter"),
        ("/apis/custom.metrics.k8s.io", {"versions": [{"version": "v9"}]}, "is served as v9"),
        ("/apis/custom.metrics.k8s.io", [], "no API group"),
        (QUEUE_PATH, ApiServerError(404, "unknown metric: no rule serves queue"), "unknown metric: no rule serves queue"),
        (QUEUE_PATH, ApiServerError(503, "source down: gpus"), "source down: gpus"),
        (QUEUE_PATH, ApiServerError(403, "cannot get"), "Kubernetes API server: 403: cannot get"),
        (QUEUE_PATH, {"items": []}, "the answer has no values"),
        (QUEUE_PATH, {"items": 5}, "no list of values"),
    ],
)
async def test_what_fails_is_a_reason_in_the_words_of_whoever_knows(
    provider: Provider, metrics: Metrics, path: str, answer: Any, why: str
) -> None:
    provider.documents[path] = answer
    metrics.wanted({("shop", QUEUE)})

    async with running(metrics.run()):
        await until(lambda: why in metrics.answer("shop", QUEUE).why)

    assert metrics.answer("shop", QUEUE).values == {}


async def test_an_object_of_an_unknown_kind_is_said_to_be_one(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({("shop", HITS)})

    async with running(metrics.run()):
        await until(lambda: "no kind Ingress in networking.k8s.io/v1" in metrics.answer("shop", HITS).why)

    assert metrics.answer("shop", HITS).total_milli is None


async def test_the_last_good_values_stay_with_their_times_until_there_are_newer_ones(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({("shop", QUEUE)})
    async with running(metrics.run()):
        await until(lambda: metrics.answer("shop", QUEUE).values)
        good = metrics.answer("shop", QUEUE)

        provider.documents[QUEUE_PATH] = ApiServerError(503, "source down: gpus")
        await until(lambda: metrics.answer("shop", QUEUE).why)
        during = metrics.answer("shop", QUEUE)

        provider.documents[QUEUE_PATH] = pod_values(b="3")
        await until(lambda: not metrics.answer("shop", QUEUE).why)

    assert (during.values, during.at, during.why) == (good.values, good.at, "source down: gpus")
    assert set(metrics.answer("shop", QUEUE).values) == {"b"}  # what an answer leaves out is missing, and not as it was


async def test_a_quick_metric_is_read_at_the_pace_and_a_slow_one_in_proportion(provider: Provider, metrics: Metrics) -> None:
    slow = Query(source=Source.PODS, metric="slow")
    path = QUEUE_PATH.replace("queue", "slow")
    provider.documents[path] = pod_values(a="1")
    provider.delays[path] = 0.5
    metrics.wanted({("shop", QUEUE), ("shop", slow)})

    async with running(metrics.run()):
        await asyncio.sleep(6.7)

    assert provider.times(QUEUE_PATH)[:4] == [0.0, 1.0, 2.0, 3.0]
    assert provider.times(path) == [0.0, 3.0, 6.0]  # half a second each, and five times that between


async def test_many_metrics_are_read_less_often_so_that_all_of_them_cost_no_more(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({(f"team-{number}", QUEUE) for number in range(99)} | {("shop", QUEUE)})

    async with running(metrics.run()):
        await asyncio.sleep(5.0)

    assert provider.times(QUEUE_PATH) == [0.0, 2.0, 4.0]  # 100 metrics, 50 reads a second


async def test_one_slow_read_does_not_let_a_value_grow_stale(provider: Provider, metrics: Metrics) -> None:
    provider.delays[QUEUE_PATH] = 4.0
    metrics.wanted({("shop", QUEUE)})

    async with running(metrics.run()):
        await asyncio.sleep(20.0)

    assert provider.times(QUEUE_PATH) == [0.0, 19.0]  # 4 s for the answer and the longest pause, not twenty times 4 s


async def test_what_fails_is_tried_ever_more_seldom_and_at_once_again_when_it_works(provider: Provider, metrics: Metrics) -> None:
    provider.documents[QUEUE_PATH] = ApiServerError(503, "source down")
    metrics.wanted({("shop", QUEUE)})

    async with running(metrics.run()):
        await asyncio.sleep(45.0)
        provider.documents[QUEUE_PATH] = pod_values(a="1")
        await asyncio.sleep(16.5)

    # 1 s × 2, × 4, × 8, and then the longest pause.
    assert provider.times(QUEUE_PATH) == [0.0, 2.0, 6.0, 14.0, 29.0, 44.0, 59.0, 60.0, 61.0]


async def test_a_metric_without_an_answer_delays_no_other(provider: Provider, metrics: Metrics) -> None:
    mute = Query(source=Source.PODS, metric="mute")
    provider.delays[QUEUE_PATH.replace("queue", "mute")] = 3600.0
    metrics.wanted({("shop", QUEUE), ("shop", mute)})

    async with running(metrics.run()):
        await asyncio.sleep(6.5)

    assert len(provider.times(QUEUE_PATH)) == 7
    assert "no answer in time" in metrics.answer("shop", mute).why


async def test_no_more_requests_are_under_way_than_agreed(provider: Provider) -> None:
    metrics = Metrics(kube=provider, at_once=3)
    wanted = {(f"team-{number}", QUEUE) for number in range(10)}
    for namespace, _ in wanted:
        path = QUEUE_PATH.replace("shop", namespace)
        provider.documents[path], provider.delays[path] = pod_values(a="1"), 0.1
    metrics.wanted(wanted)

    async with running(metrics.run()):
        await until(lambda: all(metrics.answer(*each).values for each in wanted))

    assert provider.most_under_way == 3


async def test_what_is_wanted_no_more_is_read_no_more_and_what_is_new_at_once(provider: Provider, metrics: Metrics) -> None:
    other = Query(source=Source.PODS, metric="other")
    path = QUEUE_PATH.replace("queue", "other")
    provider.documents[path] = pod_values(a="9")
    metrics.wanted({("shop", QUEUE)})

    async with running(metrics.run()):
        await asyncio.sleep(2.5)
        metrics.wanted({("shop", other)})
        await asyncio.sleep(2.0)
        metrics.wanted(set())
        await asyncio.sleep(5.0)
        metrics.wanted({("shop", other)})
        await asyncio.sleep(0.5)

    assert provider.times(QUEUE_PATH) == [0.0, 1.0, 2.0]
    assert provider.times(path) == [2.5, 3.5, 9.5]
    assert "no scaler asked" in metrics.answer("shop", QUEUE).why


async def test_every_read_is_told_good_or_bad(provider: Provider, metrics: Metrics) -> None:
    told: list[tuple[str, str]] = []
    metrics.on_read = lambda *about: told.append(about)
    metrics.wanted({("shop", QUEUE), ("gone", QUEUE)})

    async with running(metrics.run()):
        await until(lambda: len(told) >= 2)

    assert {("shop", "queue"), ("gone", "queue")} <= set(told)


async def test_a_name_stays_one_segment_of_its_path(provider: Provider, metrics: Metrics) -> None:
    metrics.wanted({("shop", Query(source=Source.PODS, metric="vllm:requests/../secrets"))})

    async with running(metrics.run()):
        await until(lambda: len(provider.asked) >= 2)

    assert provider.asked[-1][1] == QUEUE_PATH.replace("queue", "vllm:requests%2F..%2Fsecrets")
