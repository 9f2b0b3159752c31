"""What is known of a metric by its name: what it measures, in which unit, and how old a value of it may be.

The names are those that the adapter's presets and examples serve. Any other metric is taken as it stands: a number with a target.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from autoscaler.decision.model import Kind

#: An engine is scraped every 15 to 30 s: a minute allows for one scrape that failed.
STALE_AFTER_S = 60.0
#: dcgm-exporter reads the GPUs every 30 s by default, so that a fresh value may be a minute old already.
DCGM_STALE_AFTER_S = 90.0

_DCGM_PREFIX = "DCGM_FI_"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one metric; *percent* is for utilisation that runs to 100 instead of 1."""

    kind: Kind = Kind.OTHER
    percent: bool = False
    stale_after_s: float = STALE_AFTER_S


_RATIO_OF_GPU = Known(Kind.UTILIZATION, stale_after_s=DCGM_STALE_AFTER_S)

NAMES: Mapping[str, Known] = {
    "gpu_utilization": _RATIO_OF_GPU,
    "DCGM_FI_DEV_GPU_UTIL": Known(Kind.UTILIZATION, percent=True, stale_after_s=DCGM_STALE_AFTER_S),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": _RATIO_OF_GPU,
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": _RATIO_OF_GPU,
    "gpu_memory_used_ratio": Known(stale_after_s=DCGM_STALE_AFTER_S),
    **dict.fromkeys(
        (
            "inference_queue_size",
            "vllm:num_requests_waiting",
            "sglang:num_queue_reqs",
            "nv_inference_pending_request_count",
            "tgi_queue_size",
            "trtllm_num_requests_waiting",
            "ray_vllm_num_requests_waiting",
            "ray_serve_deployment_queued_queries",
            "gateway_queue_size",
            "llm_d_epp_flow_control_queue_size",
            "inference_extension_flow_control_queue_size",
        ),
        Known(Kind.QUEUE),
    ),
    **dict.fromkeys(
        (
            "inference_requests_in_flight",
            "inference_requests_running",
            "vllm:num_requests_running",
            "sglang:num_running_reqs",
            "tgi_batch_current_size",
            "trtllm_num_requests_running",
            "ray_vllm_num_requests_running",
            "ray_serve_replica_processing_queries",
        ),
        Known(Kind.CONCURRENCY),
    ),
    **dict.fromkeys(
        (
            "kv_cache_usage",
            "vllm:kv_cache_usage_perc",
            "vllm:gpu_cache_usage_perc",
            "sglang:token_usage",
            "trtllm_kv_cache_utilization",
        ),
        Known(Kind.KV_CACHE),
    ),
    **dict.fromkeys(("time_to_first_token_p90_seconds", "inter_token_latency_p90_seconds"), Known(Kind.LATENCY)),
    **dict.fromkeys(("inference_request_rate", "tokens_per_second"), Known(Kind.RATE)),
}

#: The metrics that say how busy a GPU is.
UTILIZATION = tuple(name for name, known in NAMES.items() if known.kind is Kind.UTILIZATION)

_DCGM = Known(stale_after_s=DCGM_STALE_AFTER_S)
_UNKNOWN = Known()


def known(name: str) -> Known:
    """Return what is known of the metric *name*."""
    return NAMES.get(name) or (_DCGM if name.startswith(_DCGM_PREFIX) else _UNKNOWN)
