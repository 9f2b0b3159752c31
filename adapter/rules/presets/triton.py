"""Triton Inference Server. With the TensorRT-LLM backend, whose batcher empties Triton's queue at once, take preset ``trtllm``.

Triton has no gauge of running requests. ``inference_requests_in_flight`` comes from Little's law: the time that requests have
spent in the server, per second, is the mean number of them that were in it. It counts a request when it ends, so it lags by as
long as requests last. Ensembles always report an empty queue; the models that they are made of report theirs.
"""

from adapter.rules.model import Candidate, Quantile, Rate, Selection
from adapter.rules.presets.recipe import Engine, Recipe, any_of

DESCRIPTION = "Triton Inference Server: queue, requests in flight, request rate, time to first response"

_ENGINE = Engine(keep=("model", "version"))


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    waiting = any_of(Selection("nv_inference_pending_request_count"))
    busy_us = Selection("nv_inference_request_duration_us", measure=Rate(window_s))
    first_response_ms = Selection("nv_inference_first_response_histogram_ms", measure=Quantile(0.9, window_s))
    return (
        _ENGINE.count("inference_queue_size", waiting),
        _ENGINE.count("inference_requests_in_flight", any_of(Candidate(busy_us, 1e-6))),
        _ENGINE.count("inference_request_rate", any_of(Selection("nv_inference_request_success", measure=Rate(window_s)))),
        _ENGINE.latency("time_to_first_token_p90_seconds", any_of(Candidate(first_response_ms, 1e-3))),
        _ENGINE.count("nv_inference_pending_request_count", waiting),
    )
