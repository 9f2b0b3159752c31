"""Cases of the alerts on GPUs, as dcgm-exporter shows them."""

from tests.manifests.prometheus.cases import Case, Fired, Shows, series


def _gpu(name: str, number: int = 0, *, pod: str = "resnet-a", honoured: bool = False, **labels: str) -> str:
    """Return a series of dcgm-exporter as Prometheus stores it, with the exporter's labels honoured or not."""
    whose = {"namespace": "vision", "pod": pod}
    if not honoured:
        renamed = {f"exported_{label}": value for label, value in whose.items()}
        whose = {"namespace": "gpu-operator", "pod": "nvidia-dcgm-exporter-x", **renamed}
    return series(name, {"UUID": f"GPU-{number}", "gpu": str(number), "job": "dcgm", "instance": "n:9400", **whose, **labels})


_UTIL = "DCGM_FI_DEV_GPU_UTIL"
_ACTIVE = "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
_POD = {"namespace": "vision", "pod": "resnet-a"}


def _memory(used: int, *, honoured: bool = False) -> dict[str, str]:
    """Return a GPU of 80,000 MiB of which so much is used."""
    return {
        _gpu("DCGM_FI_DEV_FB_USED", honoured=honoured): f"{used}x60",
        _gpu("DCGM_FI_DEV_FB_FREE", honoured=honoured): f"{80_000 - used}x60",
    }


_MEMORY = "LeadtimeGpuMemoryHigh"
_FULL = Fired(
    _POD,
    "The GPU memory of resnet-a in vision is nearly full.",
    "95% of the memory of a GPU of pod resnet-a in vision is used. The next larger batch or longer request may fail for want of"
    " memory.",
)
_KV = 'vllm:kv_cache_usage_perc{namespace="vision",pod="resnet-a",engine="0"}'
_MEMORIES = (
    Case(_MEMORY, Shows.FIRES, "95 % are used", "10m", _memory(76_000), [_FULL]),
    Case(
        _MEMORY,
        Shows.FIRES,
        "95 % are used, and the exporter's labels are honoured",
        "10m",
        _memory(76_000, honoured=True),
        [_FULL],
    ),
    Case(_MEMORY, Shows.BELOW, "90 % are used", "30m", _memory(72_000)),
    Case(_MEMORY, Shows.TOO_SHORT, "for less than ten minutes", "9m", _memory(76_000)),
    Case(_MEMORY, Shows.BELOW, "an engine took its memory in advance", "30m", {**_memory(76_000), _KV: "0.4x60"}),
    Case(_MEMORY, Shows.UNSEEN, "the same, and the engine cannot be read any more", "30m", {**_memory(76_000), _KV: "0.4x5 stale"}),
    Case(
        _MEMORY,
        Shows.UNSEEN,
        "what is free is not known",
        "30m",
        {name: values for name, values in _memory(76_000).items() if "USED" in name},
    ),
)

_OVER = "LeadtimeGpuOverloaded"
_BUSY = Fired(
    _POD,
    "The GPUs of resnet-a in vision are never idle.",
    "The GPUs of pod resnet-a in vision are busy 97% of the time, for a quarter of an hour. There is no room for more load.",
)
_LOADS = (
    Case(_OVER, Shows.FIRES, "two GPUs are busy", "15m", {_gpu(_UTIL): "98x20", _gpu(_UTIL, 1): "96x20"}, [_BUSY]),
    Case(_OVER, Shows.BELOW, "one of two has room", "30m", {_gpu(_UTIL): "100x60", _gpu(_UTIL, 1): "90x60"}),
    Case(_OVER, Shows.TOO_SHORT, "for less than a quarter of an hour", "14m", {_gpu(_UTIL): "97x20"}),
    Case(_OVER, Shows.FIRES, "a MIG instance has another series", "15m", {_gpu(_ACTIVE, GPU_I_ID="3"): "0.97x20"}, [_BUSY]),
    Case(_OVER, Shows.FIRES, "a row without its pod for once does not hide it", "15m", {_gpu(_UTIL): "97x5 stale 97x20"}, [_BUSY]),
    Case(
        _OVER,
        Shows.UNSEEN,
        "a GPU that nobody has looks like the exporter's",
        "30m",
        {_gpu(_UTIL, pod="nvidia-dcgm-exporter-x", honoured=True): "99x60"},
    ),
)

_WASTED = "LeadtimeGpuWasted"


def _idle(gpus: int) -> Fired:
    return Fired(
        {"namespace": "vision"},
        "GPUs in vision have idled for an hour.",
        f"{gpus} GPUs that pods in vision hold have hardly been used within an hour. That is more than the warm pools there keep"
        " ready.",
    )


_WARM = series(
    "leadtime_gpus",
    {"namespace": "vision", "scaler": "resnet", "target": "Deployment/resnet", "state": "warm", "gpu": "H100", "capacity": "spot"},
)
_WASTE = (
    Case(_WASTED, Shows.FIRES, "a GPU is used for 5 %", "75m", {_gpu(_UTIL): "5x90"}, [_idle(1)]),
    Case(_WASTED, Shows.BELOW, "a GPU is used for 21 %", "90m", {_gpu(_UTIL): "21x90"}),
    Case(_WASTED, Shows.TOO_SHORT, "an hour is not over, and a quarter", "74m", {_gpu(_UTIL): "5x90"}),
    Case(_WASTED, Shows.BELOW, "its pod is warm", "90m", {_gpu(_UTIL): "5x90", _WARM: "1x90"}),
    Case(
        _WASTED,
        Shows.FIRES,
        "two idle, and one is warm",
        "75m",
        {_gpu(_UTIL): "5x90", _gpu(_UTIL, 1): "5x90", _WARM: "1x90"},
        [_idle(2)],
    ),
    Case(
        _WASTED,
        Shows.UNSEEN,
        "its pod was warm when the controller was seen last",
        "180m",
        {_gpu(_UTIL): "5x180", _WARM: "1x20 stale"},
    ),
    Case(_WASTED, Shows.UNSEEN, "its pod is gone", "90m", {_gpu(_UTIL): "5x70 stale"}),
    Case(
        _WASTED,
        Shows.BELOW,
        "a GPU that nobody has is not a workload's",
        "90m",
        {_gpu(_UTIL, pod="nvidia-dcgm-exporter-x", honoured=True): "0x90"},
    ),
)

CASES = (*_MEMORIES, *_LOADS, *_WASTE)
