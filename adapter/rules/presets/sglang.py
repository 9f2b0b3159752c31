"""SGLang, started with ``--enable-metrics``.

With ``--enable-metrics-for-all-schedulers`` every tensor-, pipeline- and expert-parallel rank repeats its group's queue: the
largest of them counts once. Data-parallel ranks have queues of their own, which are added up. Requests that wait for a grammar,
or in the transfer queues of disaggregated serving, are not in ``inference_queue_size``: replicas do not cure them.
"""

from adapter.rules.model import Quantile, Rate, Selection
from adapter.rules.presets.recipe import Engine, Recipe, any_of

DESCRIPTION = "SGLang: queue, running requests, KV cache, token rate, time to first token, inter-token latency"

_ENGINE = Engine(apart=("dp_rank", "engine_type"), replicated=("tp_rank", "pp_rank", "moe_ep_rank"), keep=("model_name",))


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    waiting = any_of(Selection("sglang:num_queue_reqs"))
    running = any_of(Selection("sglang:num_running_reqs"))
    usage = any_of(Selection("sglang:token_usage"))
    first_token = any_of(Selection("sglang:time_to_first_token_seconds", measure=Quantile(0.9, window_s)))
    between_tokens = any_of(
        Selection("sglang:inter_token_latency_seconds", measure=Quantile(0.9, window_s)),
        Selection("sglang:time_per_output_token_seconds", measure=Quantile(0.9, window_s)),
    )
    tokens = any_of(Selection("sglang:generation_tokens_total", measure=Rate(window_s)), Selection("sglang:gen_throughput"))
    return (
        _ENGINE.count("inference_queue_size", waiting),
        _ENGINE.count("inference_requests_running", running),
        _ENGINE.count("inference_requests_in_flight", waiting, running),
        _ENGINE.count("inference_request_rate", any_of(Selection("sglang:num_requests_total", measure=Rate(window_s)))),
        _ENGINE.ratio("kv_cache_usage", usage),
        _ENGINE.latency("time_to_first_token_p90_seconds", first_token),
        _ENGINE.latency("inter_token_latency_p90_seconds", between_tokens),
        _ENGINE.count("tokens_per_second", tokens),
        _ENGINE.count("sglang:num_queue_reqs", waiting),
        _ENGINE.count("sglang:num_running_reqs", running),
        _ENGINE.ratio("sglang:token_usage", usage),
    )
