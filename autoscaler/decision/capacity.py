"""What a replica holds: while requests wait, those in flight are all that it takes.

A concurrency signal with a learned target starts with the declared one, and goes over to what its pods were seen to carry
when they were full.
"""

from autoscaler.decision.model import Capacity, Kind, Memory, Observation, Policy, Reading, Signal, Source, Vote

MIN_SAMPLES = 5
#: How far one sample moves what is known, once there are enough: at a sample in 15 s, half of a change is learned in 3½ min.
GAIN = 0.05
#: Waiting requests per pod from which on all pods count as full; fewer may all wait at one of them.
FULL_AT_WAITING = 1.0
#: A replica that serves at all holds one request.
MIN_PER_REPLICA = 1.0


def target_milli(signal: Signal, memory: Memory) -> int:
    """Return what a replica is to hold of *signal*, in thousandths: learned after enough samples, declared until then."""
    if signal.learned:
        for name, known in memory.capacities:
            if name == signal.name and known.per_replica is not None and known.samples >= MIN_SAMPLES:
                return round(known.per_replica * 1000)
    return signal.target_milli


def update(policy: Policy, observation: Observation, votes: tuple[Vote, ...], memory: Memory) -> tuple[tuple[str, Capacity], ...]:
    """Return what is known of each learned signal after *observation*; the same tuple when it teaches nothing."""
    learned: dict[str, Capacity] | None = None
    for signal, reading, vote in zip(policy.signals, observation.readings, votes, strict=True):
        if not signal.learned or signal.kind is not Kind.CONCURRENCY or not vote.fresh:
            continue
        seen = _running_when_full(policy, observation, votes, signal, reading)
        if seen is None:
            continue
        learned = dict(memory.capacities) if learned is None else learned
        learned[signal.name] = learn(learned.get(signal.name, Capacity()), seen)
    return memory.capacities if learned is None else tuple(learned.items())


def learn(known: Capacity, per_replica: float) -> Capacity:
    """Return *known* after a full replica held *per_replica* requests; the first samples count alike, later ones by `GAIN`."""
    samples = known.samples + 1
    if known.per_replica is None:
        return Capacity(per_replica=per_replica, samples=1)
    gain = max(GAIN, 1.0 / samples)
    return Capacity(per_replica=known.per_replica + gain * (per_replica - known.per_replica), samples=samples)


def _running_when_full(
    policy: Policy, observation: Observation, votes: tuple[Vote, ...], signal: Signal, reading: Reading
) -> float | None:
    """Return how many requests run per ready pod, the waiting ones left out, or None unless every pod is full."""
    pods = observation.pods
    ready = reading.reporting if signal.source is Source.PODS else pods.ready
    # A pod that starts takes no requests yet and has them waiting all the same: what it will hold cannot be seen now.
    if reading.total_milli is None or ready == 0 or reading.missing or pods.starting or pods.young:
        return None
    waiting = None
    within = 0
    for queue, of_queue, vote in zip(policy.signals, observation.readings, votes, strict=True):
        if queue.kind is not Kind.QUEUE or not vote.fresh or of_queue.total_milli is None:
            continue
        waiting = max(waiting or 0, of_queue.total_milli)
        if queue.source is signal.source:
            within = max(within, of_queue.total_milli)  # what waits where the requests in flight are counted is among them
    if waiting is None or waiting < FULL_AT_WAITING * 1000 * ready:
        return None
    running = (reading.total_milli - within) / 1000 / ready
    return running if running >= MIN_PER_REPLICA else None
