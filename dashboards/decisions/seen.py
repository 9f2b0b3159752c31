"""What users and GPUs see of the decisions."""

from dashboards import panels, words
from dashboards.page import Row
from dashboards.panels import Box, Query
from dashboards.selection import PODS, of_devices, of_engines, quantile

_NO_ENGINE = "no engine reports"


def users() -> Row:
    """Return the row of what those see who wait."""
    buckets = tuple(of_engines(f"{engine}:time_to_first_token_seconds_bucket") for engine in ("vllm", "sglang"))

    def first_token(share: float) -> str:
        return " or ".join(quantile(share, each) for each in buckets)

    gateways = ("llm_d_epp_flow_control_queue_size", "inference_extension_flow_control_queue_size")
    held = " or ".join(f'sum({name}{{inference_pool="$workload"}})' for name in gateways)
    waiting = " or ".join(f"sum({of_engines(name)})" for name in ("vllm:num_requests_waiting", "sglang:num_queue_reqs"))
    util = f"avg by (namespace, pod) ({of_devices('DCGM_FI_DEV_GPU_UTIL', PODS)})"
    return Row(
        "What users see",
        [
            panels.lines(
                Box(
                    title="Requests that wait",
                    text="In the engines' queues (vLLM, SGLang), and at the gateway, which holds them while there is no pod. A "
                    "queue that grows beside a number that does not is a limit: see above.",
                    unit="short",
                    width=8,
                    decimals=0,
                    empty=_NO_ENGINE,
                ),
                Query(waiting, "in engines"),
                Query(held, "at the gateway"),
            ),
            panels.lines(
                Box(
                    title="Time to the first token, against what is promised",
                    text="Of the engines, from a request's arrival there: what it waited at a gateway comes on top. The dashed "
                    "line is the dashboard's `First token within`.",
                    unit="s",
                    width=8,
                    empty=_NO_ENGINE,
                ),
                Query(first_token(0.5), "p50"),
                Query(first_token(0.99), "p99"),
                Query("vector($slo)", "promised"),
                overrides={
                    "promised": {**panels.DASHED, **panels.coloured(words.RED)},
                    "p99": {**panels.coloured(words.ORANGE)},
                    "p50": {**panels.coloured(words.BLUE)},
                },
            ),
            panels.lines(
                Box(
                    title="GPU utilisation",
                    text="Of the scaler's pods, by DCGM: the busiest, the mean and the least busy. A wide gap is a router that "
                    "does not spread, or a straggler. The memory interface tells work from waiting.",
                    unit="percent",
                    width=8,
                    decimals=0,
                    empty="no GPU of its pods reports",
                ),
                Query(f"max({util})", "busiest"),
                Query(f"avg({util})", "mean"),
                Query(f"min({util})", "least busy"),
                Query(f"100 * avg({of_devices('DCGM_FI_PROF_DRAM_ACTIVE', PODS)})", "memory interface"),
                most=100,
            ),
        ],
    )
