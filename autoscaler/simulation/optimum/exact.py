"""The same least cost by dynamic programming over the number of pods: slower, and nothing about layers is taken for granted."""

import numpy as np

from autoscaler.simulation.optimum.plan import Pods, Tariff


def by_dynamic_programming(demanded: Pods, tick_s: float, tariff: Tariff, *, first: int) -> Pods:
    """Return the pods at each tick of a plan of least cost that never has fewer than *demanded*. Takes O(ticks · pods²)."""
    numbers = np.arange(max(int(demanded.max(initial=0)), first) + 1)
    # [to, from]
    starting = tariff.each_start * np.maximum(numbers[:, None] - numbers[None, :], 0)
    least = np.where(numbers == first, 0.0, np.inf)
    came_from = np.empty((len(demanded), len(numbers)), dtype=np.int64)
    for tick, needed in enumerate(demanded):
        ways = least[None, :] + starting
        came_from[tick] = ways.argmin(axis=1)
        least = np.where(numbers >= needed, ways.min(axis=1) + tariff.pod_s * tick_s * numbers, np.inf)
    pods = np.empty(len(demanded), dtype=np.int64)
    at = int(least.argmin())
    for tick in range(len(demanded) - 1, -1, -1):
        pods[tick] = at
        at = int(came_from[tick, at])
    return pods
