"""What a PromQL expression asks for, and the series that the rules may ask for."""

from collections.abc import Iterator, Mapping
from typing import Any

import promql_parser

from tests.manifests.grafana import catalogue
from tests.manifests.prometheus import rules

_INNER = ("expr", "lhs", "rhs", "vector_selector", "args", "param")
_PLACE = frozenset({"namespace", "pod", "job", "instance"})
_DEVICE = frozenset({"exported_namespace", "exported_pod", "UUID", "GPU_I_ID"})
_SGLANG = frozenset({"model_name", "engine_type", "tp_rank", "pp_rank", "moe_ep_rank", "dp_rank"})
_TRITON = frozenset({"model", "version"})
#: Series of engines and exporters, as they name them, with what the rules may know of their labels. Ours are in the catalogue.
OTHERS: Mapping[str, frozenset[str]] = {
    "up": frozenset(),
    "aggregator_unavailable_apiservice": frozenset({"name"}),
    "DCGM_FI_DEV_GPU_UTIL": _DEVICE,
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": _DEVICE,
    "DCGM_FI_DEV_FB_USED": _DEVICE,
    "DCGM_FI_DEV_FB_FREE": _DEVICE,
    "vllm:num_requests_waiting": frozenset({"model_name", "engine"}),
    "vllm:kv_cache_usage_perc": frozenset({"model_name", "engine"}),
    "vllm:gpu_cache_usage_perc": frozenset({"model_name", "engine"}),
    "vllm:time_to_first_token_seconds_bucket": frozenset({"model_name", "engine", "le"}),
    "vllm:request_success_total": frozenset({"model_name", "engine", "finished_reason"}),
    "sglang:num_queue_reqs": _SGLANG,
    "sglang:token_usage": _SGLANG,
    "sglang:time_to_first_token_seconds_bucket": _SGLANG | {"le"},
    "sglang:num_aborted_requests_total": _SGLANG,
    "nv_inference_pending_request_count": _TRITON,
    "nv_inference_request_failure": _TRITON | {"reason"},
    "nv_inference_request_summary_us": _TRITON | {"quantile"},
    "nv_inference_first_response_histogram_ms_bucket": _TRITON | {"le"},
    "tgi_queue_size": frozenset(),
    "tgi_request_failure": frozenset({"err"}),
    "tgi_request_duration_bucket": frozenset({"le"}),
}


def known() -> Mapping[str, frozenset[str]]:
    """Return the labels of every series that a rule may ask for: ours, those of others, and what the rules record."""
    ours = {name: labels for name, labels in catalogue.labels().items() if name.startswith("leadtime_")}
    found = {name: labels | _PLACE for name, labels in {**ours, **OTHERS}.items()}
    for name, expr in rules.recorded().items():  # what a rule asks of another one is recorded before it
        tree = promql_parser.parse(expr)
        asked = (found[each.name] for each in selectors(tree) if each.name != name)
        found[name] = grouped(tree) or frozenset().union(*asked)
    return found


def nodes(node: Any) -> Iterator[Any]:
    """Yield *node* of a parsed expression and everything below it."""
    yield node
    for name in _INNER:
        inner = getattr(node, name, None)
        for each in inner if isinstance(inner, list) else [] if inner is None else [inner]:
            yield from nodes(each)


def selectors(expression: Any) -> list[Any]:
    """Return every selector of series in *expression*."""
    return [node for node in nodes(expression) if isinstance(node, promql_parser.VectorSelector)]


def grouped(expression: Any) -> frozenset[str]:
    """Return the labels by which *expression* aggregates or matches."""
    found: set[str] = set()
    for node in nodes(expression):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql_parser.AggregateExpr) and modifier is not None:
            found.update(modifier.labels)
        elif isinstance(node, promql_parser.BinaryExpr) and modifier is not None and modifier.matching:
            found.update(modifier.matching.labels)
    return frozenset(found)


def made(expression: Any) -> frozenset[str]:
    """Return the labels that *expression* makes."""
    calls = (node for node in nodes(expression) if isinstance(node, promql_parser.Call) and node.func.name == "label_replace")
    return frozenset(call.args[1].val for call in calls)


def numbers(expression: Any) -> list[float]:
    """Return every number in *expression*, in its order."""
    return [node.val for node in nodes(expression) if isinstance(node, promql_parser.NumberLiteral)]
