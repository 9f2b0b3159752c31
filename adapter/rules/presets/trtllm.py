"""TensorRT-LLM, under ``trtllm-serve`` or as a backend of Triton.

``trtllm-serve`` answers at ``/prometheus/metrics``, not at ``/metrics``. Under Triton the number is chosen by a label, not by
the name, and only the queue, the running requests and the KV cache are known.
"""

from adapter.rules.model import Quantile, Rate, Selection
from adapter.rules.presets.recipe import Engine, Recipe, any_of, equal

DESCRIPTION = "TensorRT-LLM (trtllm-serve, or in Triton): queue, running requests, KV cache, token rate, latencies"

_ENGINE = Engine(keep=("model_name", "model"))


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    waiting = any_of(
        Selection("trtllm_num_requests_waiting"), Selection("nv_trt_llm_request_metrics", equal(request_type="waiting"))
    )
    running = any_of(
        Selection("trtllm_num_requests_running"), Selection("nv_trt_llm_request_metrics", equal(request_type="scheduled"))
    )
    usage = any_of(
        Selection("trtllm_kv_cache_utilization"),
        Selection("nv_trt_llm_kv_cache_block_metrics", equal(kv_cache_block_type="fraction")),
    )
    rate = any_of(
        Selection("trtllm_request_success_total", measure=Rate(window_s)),
        Selection("nv_inference_request_success", measure=Rate(window_s)),
    )
    first_token = any_of(Selection("trtllm_time_to_first_token_seconds", measure=Quantile(0.9, window_s)))
    between_tokens = any_of(Selection("trtllm_time_per_output_token_seconds", measure=Quantile(0.9, window_s)))
    tokens = any_of(Selection("trtllm_generation_tokens_total", measure=Rate(window_s)))
    return (
        _ENGINE.count("inference_queue_size", waiting),
        _ENGINE.count("inference_requests_running", running),
        _ENGINE.count("inference_requests_in_flight", waiting, running),
        _ENGINE.count("inference_request_rate", rate),
        _ENGINE.ratio("kv_cache_usage", usage),
        _ENGINE.latency("time_to_first_token_p90_seconds", first_token),
        _ENGINE.latency("inter_token_latency_p90_seconds", between_tokens),
        _ENGINE.count("tokens_per_second", tokens),
        _ENGINE.count("trtllm_num_requests_waiting", any_of(Selection("trtllm_num_requests_waiting"))),
        _ENGINE.count("trtllm_num_requests_running", any_of(Selection("trtllm_num_requests_running"))),
        _ENGINE.ratio("trtllm_kv_cache_utilization", any_of(Selection("trtllm_kv_cache_utilization"))),
    )
