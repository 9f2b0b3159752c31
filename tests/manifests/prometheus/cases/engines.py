"""Cases of the alerts on inference servers."""

from collections.abc import Mapping

from tests.manifests.prometheus.cases import Case, Fired, Shows, series

_MODEL = "Qwen/Qwen3-8B"
_WHOSE = {"namespace": "llm", "job": "qwen", "model": _MODEL}
_TRITON = {"namespace": "vision", "job": "resnet", "model": "resnet50"}


def _vllm(name: str, pod: str = "a", **labels: str) -> str:
    place = {"namespace": "llm", "job": "qwen", "instance": f"{pod}:8000", "pod": f"qwen-{pod}"}
    return series(name, {**place, "engine": "0", "model_name": _MODEL, **labels})


def _triton(name: str, **labels: str) -> str:
    place = {"namespace": "vision", "job": "resnet", "instance": "r:8002", "pod": "resnet-r"}
    return series(name, {**place, "model": "resnet50", "version": "1", **labels})


def _sglang(name: str, **labels: str) -> str:
    place = {"namespace": "llm", "job": "qwen", "instance": "s:30000", "pod": "qwen-s"}
    return series(name, {**place, "model_name": _MODEL, **labels})


def _tgi(name: str, **labels: str) -> str:
    return series(name, {"namespace": "llm", "job": "tgi", "instance": "t:80", "pod": "tgi-t", **labels})


def _first_tokens(within_half: int, *, missed: bool = False) -> Mapping[str, str]:
    """Return a hundred first tokens a minute, all within a second, so many within half of one; *missed*: the page once was."""
    counts = {"0.25": 0, "0.5": within_half, "1.0": 100, "+Inf": 100}
    return {
        _vllm("vllm:time_to_first_token_seconds_bucket", le=le): f"0+{n}x3 stale {5 * n}+{n}x30" if missed else f"0+{n}x30"
        for le, n in counts.items()
    }


_LATENCY = "LeadtimeInferenceLatencyHigh"
# 99 of 100 came within 0.5 s + 0.5 s × (99 − 90) / (100 − 90).
_SLOW = Fired(
    _WHOSE,
    "Users of Qwen/Qwen3-8B in llm wait too long.",
    "One request in a hundred to Qwen/Qwen3-8B (qwen in llm) waits 950ms or longer: for its first token, or for its answer where"
    " that is not streamed.",
)
_LATENCIES = (
    Case(_LATENCY, Shows.FIRES, "a tenth of the first tokens come after half a second", "6m", _first_tokens(90), [_SLOW]),
    Case(_LATENCY, Shows.BELOW, "all first tokens come within half a second", "20m", _first_tokens(100)),
    Case(_LATENCY, Shows.TOO_SHORT, "it has been so for less than five minutes", "5m", _first_tokens(90)),
    Case(
        _LATENCY,
        Shows.UNSEEN,
        "without requests nobody waits",
        "20m",
        dict.fromkeys(_first_tokens(90), "700x30"),
    ),
    Case(
        _LATENCY,
        Shows.FIRES,
        "one failed scrape does not hide it",
        "6m",
        _first_tokens(90, missed=True),
        [_SLOW],
    ),
    Case(
        _LATENCY,
        Shows.FIRES,
        "Triton shows quantiles of its own",
        "5m",
        {_triton("nv_inference_request_summary_us", quantile="0.99"): "600000x10"},
        [
            Fired(
                _TRITON,
                "Users of resnet50 in vision wait too long.",
                "One request in a hundred to resnet50 (resnet in vision) waits 600ms or longer: for its first token, or for its"
                " answer where that is not streamed.",
            )
        ],
    ),
    Case(
        _LATENCY,
        Shows.FIRES,
        "Triton counts first responses in milliseconds",
        "6m",
        {
            _triton("nv_inference_first_response_histogram_ms_bucket", le=le): f"0+{count}x10"
            for le, count in {"500": 0, "1000": 100, "+Inf": 100}.items()
        },
        [
            Fired(
                _TRITON,
                "Users of resnet50 in vision wait too long.",
                "One request in a hundred to resnet50 (resnet in vision) waits 995ms or longer: for its first token, or for its"
                " answer where that is not streamed.",
            )
        ],
    ),
    Case(
        _LATENCY,
        Shows.BELOW,
        "SGLang and TGI answer within half a second",
        "20m",
        {_sglang("sglang:time_to_first_token_seconds_bucket", le=le): "0+100x30" for le in ("0.4", "+Inf")}
        | {_tgi("tgi_request_duration_bucket", le=le): "0+100x30" for le in ("0.4", "+Inf")},
    ),
)  # fmt: skip

_QUEUE = "LeadtimeInferenceQueueLong"
_LONG = Fired(
    _WHOSE,
    "120 requests wait for Qwen/Qwen3-8B in llm.",
    "120 requests have been taken by qwen in llm and wait for room in Qwen/Qwen3-8B. It has lasted for minutes: the replicas that"
    " there are do not keep up.",
)
_WAITING = "vllm:num_requests_waiting"
_QUEUES = (
    Case(_QUEUE, Shows.FIRES, "two pods let 120 wait", "5m", {_vllm(_WAITING, "a"): "60x9", _vllm(_WAITING, "b"): "60x9"}, [_LONG]),
    Case(_QUEUE, Shows.BELOW, "a hundred wait", "20m", {_vllm(_WAITING, "a"): "60x30", _vllm(_WAITING, "b"): "40x30"}),
    Case(_QUEUE, Shows.TOO_SHORT, "for less than five minutes", "4m", {_vllm(_WAITING, "a"): "60x9", _vllm(_WAITING, "b"): "60x9"}),
    Case(
        _QUEUE,
        Shows.FIRES,
        "a page that is not read once does not shorten the queue",
        "5m",
        {_vllm(_WAITING, "a"): "60x2 stale 60x9", _vllm(_WAITING, "b"): "60x9"},
        [_LONG],
    ),
    Case(
        _QUEUE,
        Shows.UNSEEN,
        "pods that are gone have no queue",
        "9m",
        {_vllm(_WAITING, "a"): "150x3 stale", _vllm(_WAITING, "b"): "9x9"},
    ),
    Case(
        _QUEUE,
        Shows.FIRES,
        "ranks of SGLang repeat one queue, and a queue of Triton's counts as it is",
        "5m",
        {_sglang("sglang:num_queue_reqs", tp_rank=rank, pp_rank="0"): "120x9" for rank in ("0", "1")}
        | {_triton("nv_inference_pending_request_count"): "101x9", _tgi("tgi_queue_size"): "100x9"},
        [
            _LONG,
            Fired(
                _TRITON,
                "101 requests wait for resnet50 in vision.",
                "101 requests have been taken by resnet in vision and wait for room in resnet50. It has lasted for minutes: the"
                " replicas that there are do not keep up.",
            ),
        ],
    ),
)

_ERRORS = "LeadtimeInferenceErrors"
_FAILED = "vllm:request_success_total"


def _failing(about: str, whose: Mapping[str, str] = _WHOSE) -> Fired:
    return Fired(
        whose,
        f"Requests to {whose['model']} in {whose['namespace']} fail.",
        f"Requests to {whose['model']} ({whose['job']} in {whose['namespace']}) fail on the server's side: about {about} within ten"
        " minutes.",
    )


def _up(instance: str, values: str, job: str = "qwen") -> Mapping[str, str]:
    return {f'up{{job="{job}",instance="{instance}"}}': values}


_FAILURES = (
    # What grew by 4 within the nine minutes between the first and the last sample of ten.
    Case(_ERRORS, Shows.FIRES, "four fail", "11m", {_vllm(_FAILED, finished_reason="error"): "3x6 7x20"}, [_failing("4.444")]),
    Case(_ERRORS, Shows.BELOW, "none has failed of late", "20m", {_vllm(_FAILED, finished_reason="error"): "7x30"}),
    Case(
        _ERRORS, Shows.TOO_SHORT, "it was before these twenty minutes", "29m", {_vllm(_FAILED, finished_reason="error"): "0x5 7x40"}
    ),
    Case(_ERRORS, Shows.BELOW, "clients hang up", "11m", {_vllm(_FAILED, finished_reason="abort"): "0+5x20"}),
    Case(
        _ERRORS,
        Shows.FIRES,
        "a counter that begins with its first error has grown",
        "6m",
        {_sglang("sglang:num_aborted_requests_total"): "_x6 2x20", **_up("s:30000", "1x30")},
        [_failing("2")],
    ),
    Case(
        _ERRORS,
        Shows.UNSEEN,
        "a page that is read for the first time has had its errors before",
        "1m",
        {_sglang("sglang:num_aborted_requests_total"): "_x1 12x20", **_up("s:30000", "_x1 1x20")},
    ),
    Case(
        _ERRORS,
        Shows.UNSEEN,
        "a page that was not read for minutes has had them before",
        "7m",
        {
            _tgi("tgi_request_failure", err="generation"): "12x3 stale _x1 12x20",
            **_up("t:80", "1x3 0x1 1x20", job="tgi"),
        },
    ),
    Case(
        _ERRORS,
        Shows.FIRES,
        "Triton fails, and clients that cancel do not count",
        "11m",
        {
            _triton("nv_inference_request_failure", reason="BACKEND"): "0x6 1x20",
            _triton("nv_inference_request_failure", reason="CANCELED"): "0+9x20",
        },
        [_failing("1", _TRITON)],
    ),
)

_FULL = "LeadtimeKvCacheFull"
_KV = 'vllm:kv_cache_usage_perc{namespace="llm",pod="qwen-a",engine="0"}'
_TAKEN = Fired(
    {"namespace": "llm", "pod": "qwen-a"},
    "The KV cache of qwen-a in llm is nearly full.",
    "93% of the KV cache of pod qwen-a in llm is taken. The engine lets requests wait, or stops some that are under way and"
    " computes them again.",
)
_CACHES = (
    Case(_FULL, Shows.FIRES, "93 % are taken", "10m", {_KV: "0.93x20"}, [_TAKEN]),
    Case(_FULL, Shows.BELOW, "90 % are taken", "20m", {_KV: "0.9x30"}),
    Case(_FULL, Shows.TOO_SHORT, "for less than ten minutes", "9m", {_KV: "0.93x20"}),
    Case(_FULL, Shows.FIRES, "one failed scrape does not begin it anew", "10m", {_KV: "0.93x4 stale 0.93x20"}, [_TAKEN]),
    Case(_FULL, Shows.UNSEEN, "a pod that is gone has no cache", "15m", {_KV: "0.93x8 stale"}),
)

CASES = (*_LATENCIES, *_QUEUES, *_FAILURES, *_CACHES)
