"""vLLM, versions 0 and 1, with any number of data-parallel engines in a pod (label ``engine``: they are added up).

``inference_queue_size`` counts the requests that wait for capacity where vLLM tells them apart (``…_by_reason``): those that it
has deferred, for a LoRA slot or a KV transfer, are not helped by another replica. ``inference_request_rate`` counts completed
requests, the only ones vLLM counts. A pod that has just started shows zeros for some 18 seconds (vLLM issue 49538).
"""

from adapter.rules.model import Quantile, Rate, Selection, Term
from adapter.rules.presets.recipe import Engine, Recipe, any_of, equal

DESCRIPTION = "vLLM: queue, running requests, KV cache, token rate, time to first token, inter-token latency"

_ENGINE = Engine(apart=("engine",), keep=("model_name",))


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    return (
        *canonical("vllm:", window_s),
        _ENGINE.count("vllm:num_requests_waiting", any_of(Selection("vllm:num_requests_waiting"))),
        _ENGINE.count("vllm:num_requests_running", any_of(Selection("vllm:num_requests_running"))),
        _ENGINE.ratio("vllm:kv_cache_usage_perc", _kv_cache("vllm:")),
        _ENGINE.ratio("vllm:gpu_cache_usage_perc", _kv_cache("vllm:")),
        _ENGINE.state("vllm:engine_sleep_state", any_of(Selection("vllm:engine_sleep_state")), "sleep_state"),
    )


def canonical(prefix: str, window_s: float, engine: Engine = _ENGINE) -> tuple[Recipe, ...]:
    """Return the canonical set from the series that begin with *prefix* (Ray puts its own before vLLM's names)."""
    waiting = Selection(f"{prefix}num_requests_waiting")
    running = any_of(Selection(f"{prefix}num_requests_running"))
    first_token = Selection(f"{prefix}time_to_first_token_seconds", measure=Quantile(0.9, window_s))
    between_tokens = (
        Selection(f"{prefix}inter_token_latency_seconds", measure=Quantile(0.9, window_s)),
        Selection(f"{prefix}time_per_output_token_seconds", measure=Quantile(0.9, window_s)),
    )
    return (
        engine.count(
            "inference_queue_size",
            any_of(Selection(f"{prefix}num_requests_waiting_by_reason", equal(reason="capacity")), waiting),
        ),
        engine.count("inference_requests_running", running),
        engine.count("inference_requests_in_flight", any_of(waiting), running),
        engine.count("inference_request_rate", any_of(Selection(f"{prefix}request_success_total", measure=Rate(window_s)))),
        engine.ratio("kv_cache_usage", _kv_cache(prefix)),
        engine.latency("time_to_first_token_p90_seconds", any_of(first_token)),
        engine.latency("inter_token_latency_p90_seconds", any_of(*between_tokens)),
        engine.count("tokens_per_second", any_of(Selection(f"{prefix}generation_tokens_total", measure=Rate(window_s)))),
    )


def _kv_cache(prefix: str) -> Term:
    # The name changed in 2025; both say 1 when full, whatever `perc` suggests.
    return any_of(Selection(f"{prefix}kv_cache_usage_perc"), Selection(f"{prefix}gpu_cache_usage_perc"))
