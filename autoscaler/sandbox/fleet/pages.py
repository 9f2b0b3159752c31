"""What exporters show: dcgm-exporter's page of a node, and vLLM's page of an engine.

dcgm-exporter is a Go program with a text template, so its page is written here line by line, in its label order and number
formats. vLLM's page comes from prometheus-client, as it does in vLLM.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from autoscaler.sandbox.fleet.engine import Engine, Finished

_FRAMEBUFFER_MIB = 81_559
_DRIVER = "570.86.15"


class Workload(NamedTuple):
    """The pod that a GPU is given to, as the kubelet names it."""

    namespace: str
    pod: str
    container: str


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment; *workload* is None while nothing has it."""

    index: int
    uuid: str
    util_percent: float
    memory_used_mib: int
    workload: Workload | None = None
    model: str = "NVIDIA H100 80GB HBM3"


class _Field(NamedTuple):
    name: str
    kind: str
    text: str


_FIELDS = (
    _Field("DCGM_FI_DEV_GPU_UTIL", "gauge", "GPU utilization (in %)."),
    _Field("DCGM_FI_DEV_FB_FREE", "gauge", "Framebuffer memory free (in MiB)."),
    _Field("DCGM_FI_DEV_FB_USED", "gauge", "Framebuffer memory used (in MiB)."),
    _Field("DCGM_FI_DEV_POWER_USAGE", "gauge", "Power draw (in W)."),
    _Field("DCGM_FI_DEV_GPU_TEMP", "gauge", "GPU temperature (in C)."),
    _Field("DCGM_FI_PROF_GR_ENGINE_ACTIVE", "gauge", "Ratio of time the graphics engine is active."),
    _Field("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "gauge", "Ratio of cycles the tensor (HMMA) pipe is active."),
    _Field("DCGM_FI_PROF_DRAM_ACTIVE", "gauge", "Ratio of cycles the device memory interface is active sending or receiving data."),
)


def dcgm(node: str, gpus: Sequence[Gpu], *, override: str | None = None) -> str:
    """Return dcgm-exporter's page of *node*. *override* takes the place of every utilisation of a GPU that is in use (`NaN`, …)."""
    lines: list[str] = []
    for each in _FIELDS:
        lines += (f"# HELP {each.name} {each.text}", f"# TYPE {each.name} {each.kind}")
        for gpu in gpus:
            value = _value(each.name, gpu)
            if override is not None and gpu.workload is not None and "UTIL" in each.name:
                value = override
            lines.append(f"{each.name}{{{_labels(node, gpu)}}} {value}")
    return "\n".join(lines) + "\n"


def _labels(node: str, gpu: Gpu) -> str:
    pairs = [
        ("gpu", str(gpu.index)),
        ("UUID", gpu.uuid),
        ("pci_bus_id", f"00000000:{16 + gpu.index:02X}:00.0"),
        ("device", f"nvidia{gpu.index}"),
        ("modelName", gpu.model),
        ("hostname", node),
        ("DCGM_FI_DRIVER_VERSION", _DRIVER),
    ]
    if gpu.workload is not None:
        pairs += [("container", gpu.workload.container), ("namespace", gpu.workload.namespace), ("pod", gpu.workload.pod)]
    return ",".join(f'{label}="{value}"' for label, value in pairs)


def _value(name: str, gpu: Gpu) -> str:
    """Return a field's value as the exporter prints it: integers of DCGM as they are, doubles with six places."""
    ratio = gpu.util_percent / 100.0
    match name:
        case "DCGM_FI_DEV_GPU_UTIL":
            return f"{round(gpu.util_percent)}"
        case "DCGM_FI_DEV_FB_FREE":
            return f"{_FRAMEBUFFER_MIB - gpu.memory_used_mib}"
        case "DCGM_FI_DEV_FB_USED":
            return f"{gpu.memory_used_mib}"
        case "DCGM_FI_DEV_POWER_USAGE":
            return f"{70.0 + 580.0 * ratio:f}"
        case "DCGM_FI_DEV_GPU_TEMP":
            return f"{round(33 + 35 * ratio)}"
        case "DCGM_FI_PROF_GR_ENGINE_ACTIVE":
            return f"{0.97 * ratio:f}"
        case "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE":
            return f"{0.25 * ratio:f}"
        case _:
            return f"{0.5 * ratio:f}"


_TTFT_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_ITL_BUCKETS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0)
_E2E_BUCKETS = (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0)


@dataclass
class VllmPage:
    """vLLM's metrics of one engine; `update` before each `render`."""

    model: str
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)

    def __post_init__(self) -> None:
        names = ["model_name", "engine"]
        values = (self.model, "0")

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, names, registry=self.registry).labels(*values)

        def counter(name: str, text: str) -> Counter:
            return Counter(name, text, names, registry=self.registry).labels(*values)

        def histogram(name: str, text: str, buckets: Sequence[float]) -> Histogram:
            return Histogram(name, text, names, buckets=buckets, registry=self.registry).labels(*values)

        self._running = gauge("vllm:num_requests_running", "Number of requests in model execution batches.")
        self._waiting = gauge("vllm:num_requests_waiting", "Number of requests waiting to be processed.")
        by_reason = Gauge(
            "vllm:num_requests_waiting_by_reason",
            "Number of waiting requests by reason.",
            [*names, "reason"],
            registry=self.registry,
        )
        self._capacity = by_reason.labels(*values, "capacity")
        by_reason.labels(*values, "deferred").set(0)
        self._kv = gauge("vllm:kv_cache_usage_perc", "KV-cache usage. 1 means 100 percent usage.")
        self._prompt = counter("vllm:prompt_tokens", "Number of prefill tokens processed.")
        self._generation = counter("vllm:generation_tokens", "Number of generation tokens processed.")
        finished = Counter(
            "vllm:request_success", "Count of successfully processed requests.", [*names, "finished_reason"], registry=self.registry
        )
        self._success = finished.labels(*values, "stop")
        for reason in ("length", "abort", "error"):
            finished.labels(*values, reason)
        self._ttft = histogram("vllm:time_to_first_token_seconds", "Histogram of time to first token in seconds.", _TTFT_BUCKETS)
        self._itl = histogram("vllm:inter_token_latency_seconds", "Histogram of inter-token latency in seconds.", _ITL_BUCKETS)
        self._e2e = histogram("vllm:e2e_request_latency_seconds", "Histogram of e2e request latency in seconds.", _E2E_BUCKETS)

    def finished(self, done: Finished) -> None:
        """Count a finished request."""
        self._success.inc()
        self._prompt.inc(done.prompt_tokens)
        self._generation.inc(done.output_tokens)
        self._ttft.observe(done.time_to_first_token_s)
        self._itl.observe(done.inter_token_latency_s)
        self._e2e.observe(done.latency_s)

    def update(self, engine: Engine, *, waiting: float | None = None) -> None:
        """Show *engine* as it is now; *waiting* takes the place of its queue's length."""
        queue = float(len(engine.waiting)) if waiting is None else waiting
        self._running.set(len(engine.running))
        self._waiting.set(queue)
        self._capacity.set(queue)
        self._kv.set(engine.kv_usage_ratio)

    def render(self) -> bytes:
        """Return the page."""
        return generate_latest(self.registry)
