"""The causes of chance. Each has a generator of its own, so that policies meet the same luck whatever they do."""

import enum

import numpy as np


class Cause(enum.IntEnum):
    """What happens by chance."""

    SERVICE = 1
    """How requests fare: ties between pods, and service times where they are drawn."""
    STARTUP = 2
    """How long the k-th pod takes to start, and endpoints to learn of it."""
    NODES = 3
    """How long the k-th further node takes to come."""
    SCRAPES = 4
    """When scrapes come, which of them are lost, and when the k-th pod's GPU is sampled."""
    ASKS = 5
    """When a policy looks for the first time."""


def generator(seed: int, cause: Cause, which: int = 0) -> np.random.Generator:
    """Return the generator of *cause* in the run of *seed*, for pod or node number *which* where each has its own luck."""
    return np.random.default_rng([seed, cause, which])
