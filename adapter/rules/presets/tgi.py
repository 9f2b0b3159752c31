"""Hugging Face Text Generation Inference, which is in maintenance and names no model in its labels.

``inference_request_rate`` counts requests as they arrive. ``kv_cache_usage`` is what the running batch may grow to, of the tokens
that there is room for. There is no time to first token.
"""

from adapter.rules.model import Quantile, Rate, Selection
from adapter.rules.presets.recipe import Engine, Recipe, any_of

DESCRIPTION = "Text Generation Inference: queue, running requests, token budget, token rate, inter-token latency"

_ENGINE = Engine()


def recipes(window_s: float) -> tuple[Recipe, ...]:
    """Return what the preset serves."""
    waiting = any_of(Selection("tgi_queue_size"))
    running = any_of(Selection("tgi_batch_current_size"))
    between_tokens = any_of(Selection("tgi_request_mean_time_per_token_duration", measure=Quantile(0.9, window_s)))
    return (
        _ENGINE.count("inference_queue_size", waiting),
        _ENGINE.count("inference_requests_running", running),
        _ENGINE.count("inference_requests_in_flight", waiting, running),
        _ENGINE.count("inference_request_rate", any_of(Selection("tgi_request_count", measure=Rate(window_s)))),
        _ENGINE.ratio(
            "kv_cache_usage",
            any_of(Selection("tgi_batch_current_max_tokens")),
            any_of(Selection("tgi_batch_total_tokens")),
        ),
        _ENGINE.latency("inter_token_latency_p90_seconds", between_tokens),
        _ENGINE.count("tokens_per_second", any_of(Selection("tgi_request_generated_tokens_sum", measure=Rate(window_s)))),
        _ENGINE.count("tgi_queue_size", waiting),
        _ENGINE.count("tgi_batch_current_size", running),
    )
