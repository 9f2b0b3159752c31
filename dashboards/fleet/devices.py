"""How busy the GPUs of the fleet's pods are."""

from dashboards.selection import of_devices

BUSY = of_devices("DCGM_FI_DEV_GPU_UTIL", 'namespace=~"$namespace"')


def idle() -> str:
    """Return, of each GPU of a pod that is there, 1 where it was mostly idle for an hour."""
    device = "avg by (namespace, pod, UUID)"
    return f"({device} (avg_over_time({BUSY}[1h:1m])) and {device} ({BUSY})) < bool 20"
