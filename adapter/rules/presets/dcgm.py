"""dcgm-exporter: what the GPUs of a pod do.

``gpu_utilization`` is ``DCGM_FI_DEV_GPU_UTIL`` where the device has it, and ``DCGM_FI_PROF_GR_ENGINE_ACTIVE`` where it has not:
NVIDIA gives no GPU_UTIL under MIG, and old exporters write a zero there that means nothing. A pod's value is the mean over its
GPUs. A device that several pods share is marked so; with virtual GPUs on, ``GPU_UTIL`` and ``FB_USED`` are the pod's own values
and every other field is the device's, copied to each pod, which is why those are never added up over pods.

Not served: ``XID_ERRORS`` (the last code stays until the exporter restarts) and the counters.
"""

from adapter.rules.model import Candidate, Fold, PodObject, Reducer, Selection
from adapter.rules.presets.recipe import HIGH_AVAILABILITY_LABELS, Recipe, any_of, equal

DESCRIPTION = "NVIDIA GPUs by dcgm-exporter: utilisation, memory, power, temperature; MIG, time-slicing and DRA"

#: The exporter reads the GPUs every 30 s by default and is scraped every 15 to 30 s: a fresh value may be 60 s old already.
MAX_AGE_S = 90.0

_PODS = PodObject(device=True)
# The same GPU of the same pod, told by two containers, two shares or two scrapes, is one GPU.
_COPIES = (
    "container", "exported_container", "container_name", "vgpu", "pod_uid", "job", "instance", *HIGH_AVAILABILITY_LABELS,
)  # fmt: skip
_NOT_MIG = equal(GPU_I_ID="")

_UTIL = Selection("DCGM_FI_DEV_GPU_UTIL", _NOT_MIG)
_ACTIVE = Selection("DCGM_FI_PROF_GR_ENGINE_ACTIVE")
_USED = Selection("DCGM_FI_DEV_FB_USED")
_FREE = Selection("DCGM_FI_DEV_FB_FREE")

# (series, fold over a pod's GPUs, fold over a workload's pods)
_RAW = (
    ("DCGM_FI_DEV_GPU_UTIL", Fold.MEAN, Fold.MEAN),
    ("DCGM_FI_DEV_MEM_COPY_UTIL", Fold.MEAN, Fold.MEAN),
    ("DCGM_FI_DEV_FB_USED", Fold.SUM, Fold.SUM),
    ("DCGM_FI_DEV_FB_FREE", Fold.SUM, Fold.MEAN),
    ("DCGM_FI_DEV_POWER_USAGE", Fold.SUM, Fold.MEAN),
    ("DCGM_FI_DEV_GPU_TEMP", Fold.MAX, Fold.MAX),
    ("DCGM_FI_DEV_MEMORY_TEMP", Fold.MAX, Fold.MAX),
    ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Fold.MEAN, Fold.MEAN),
    ("DCGM_FI_PROF_DRAM_ACTIVE", Fold.MEAN, Fold.MEAN),
    ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", Fold.MEAN, Fold.MEAN),
)


def recipes(window_s: float) -> tuple[Recipe, ...]:  # noqa: ARG001 - every preset is asked the same way; gauges need no window
    """Return what the preset serves."""
    canonical = (
        Recipe(
            metric="gpu_utilization",
            of=(any_of(Candidate(_UTIL, 0.01), _ACTIVE),),
            reducer=Reducer(Fold.MEAN, _COPIES, apart=()),
            owner_fold=Fold.MEAN,
            objects=_PODS,
            max_age_s=MAX_AGE_S,
        ),
        Recipe(
            metric="gpu_memory_used_ratio",
            of=(any_of(_USED),),
            over=(any_of(_USED), any_of(_FREE)),
            reducer=Reducer(Fold.SUM, _COPIES, apart=()),
            owner_fold=Fold.MEAN,
            objects=_PODS,
            max_age_s=MAX_AGE_S,
        ),
    )
    raw = tuple(
        Recipe(
            metric=series,
            of=(any_of(_UTIL if series == _UTIL.name else Selection(series)),),
            reducer=Reducer(within, _COPIES, apart=()),
            owner_fold=over_pods,
            objects=_PODS,
            max_age_s=MAX_AGE_S,
        )
        for series, within, over_pods in _RAW
    )
    return (*canonical, *raw)
