"""What one replica is taken to be, from nothing but a scaler: an engine that stands at the signals' targets at its worth of load.

A *replica's worth* is the load at which the first of a scaler's signals reaches its target. How the real engine gets there is not
known, so the simplest one that does is taken, and what follows from that is said: it is a model of the user's targets.

* With a utilisation signal of target u, and where no other signal tells: a server whose batch of n requests takes ``n · u / r``, at
  r requests per second for a replica's worth. Its utilisation is linear in its load, and u at a replica's worth.
* With a concurrency signal of target c, or one of the KV cache of target k, and no utilisation: steps of equal length in which
  every running sequence gets a token. By Little's law c requests are in flight at r per second when each takes ``c / r``; the cache
  is as large as makes them fill k of it.

Requests are taken so small that at least ten of them make a second of a replica's worth: else a replica at its target would have
requests wait for each other, which those of a batching engine do not. All counts are in requests as the user counts them.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoscaler.decision.model import Kind, Mode, Signal
from autoscaler.resource.scaler import Scaler
from autoscaler.simulation import measures
from autoscaler.simulation.backtest.history import BacktestError
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import Classic, Engine, Llm, Slo

#: Requests per second of a replica's worth, where neither the scaler nor the user says how many there are.
ASSUMED_PER_S = 10.0
_LEAST_PER_S = 10.0
#: How busy a replica at its target is taken to be, where no signal says so: what follows from HPA's and KEDA's usual advice.
_ASSUMED_RATIO = 0.7
#: How many requests it has in flight then, where the KV cache tells its load and no target says so.
_ASSUMED_IN_FLIGHT = 16.0
#: A batch is small, so that a backlog shows as a queue.
_MOST_IN_BATCH = 8
_PROMPT_TOKENS = 500.0  # a chunk: one step
_ANSWER_TOKENS = 120.0
#: Answers have so many tokens for each request in flight at least: prompts are computed one at a time, and must not hold others up.
_TOKENS_IN_FLIGHT = 4.0
_PER_CENT = 100_000
_RATIO = 1_000
_SLO = Slo()


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """The model of one replica, and the scaler with those of its signals that can be simulated, set to act."""

    scaler: Scaler
    engine: Engine
    slo: Slo
    requests_per_s: float
    """A replica's worth, in requests as the user counts them."""
    answer_tokens: float = _ANSWER_TOKENS
    pieces: int = 1
    """So many requests of the simulation make one of the user's."""
    notes: tuple[str, ...] = ()

    def workload(self, rates: Rates) -> Rates:
        """Return *rates* in requests of the simulation."""
        return Rates(
            rates.name,
            rates.step_s,
            rates.per_s * self.pieces,
            past=rates.past * self.pieces,
            start_s=rates.start_s,
            mean_prompt_tokens=_PROMPT_TOKENS,
            mean_output_tokens=self.answer_tokens,
        )

    def scaled(self, scaler: Scaler) -> Scaler:
        """Return *scaler*, which has the same signals or some with other targets, as this model can run it."""
        kept = {signal.name for signal in self.scaler.policy.signals}
        return _kept(scaler, [signal.name in kept for signal in scaler.policy.signals], self.pieces)


def model(scaler: Scaler, *, per_replica_s: float | None = None) -> Replica:
    """Return the model of one of *scaler*'s replicas, whose worth is *per_replica_s* requests per second where that is known.

    Raises `BacktestError` where none of its signals can be simulated.
    """
    signals = scaler.policy.signals
    faults = dict(_faults(signals))
    usable = [signal for at, signal in enumerate(signals) if at not in faults]
    if not usable:
        raise BacktestError(
            f"{scaler.key}: none of its metrics can be simulated: {'; '.join(faults.values()) or 'it has schedules alone'}. "
            "Give spec.signals the kind of one, such as Queue, or add a metric such as DCGM_FI_DEV_GPU_UTIL"
        )
    notes = [f"left out: {fault}" for fault in faults.values()]
    per_s = per_replica_s or next((one.target_milli / 1000 for one in usable if one.kind is Kind.RATE), None)
    if per_s is None:
        notes.append(f"a replica's worth is counted as {ASSUMED_PER_S:g} requests per second: --per-replica says otherwise")
        per_s = ASSUMED_PER_S
    pieces = max(1, math.ceil(_LEAST_PER_S / per_s))
    engine, answer_tokens, said = _engine(usable, per_s, pieces)
    return Replica(
        scaler=_kept(scaler, [at not in faults for at in range(len(signals))], pieces),
        engine=engine,
        # How long a token takes follows from the targets here: it is not judged.
        slo=dataclasses.replace(_SLO, between_tokens_s=math.inf),
        answer_tokens=answer_tokens,
        requests_per_s=per_s,
        pieces=pieces,
        notes=(said, *notes),
    )


def _faults(signals: Sequence[Signal]) -> Iterator[tuple[int, str]]:
    """Yield the place of each signal that cannot be simulated, and why."""
    known: list[tuple[int, Signal]] = []
    for at, signal in enumerate(signals):
        try:
            measures.metric_of(signal)
        except measures.MeasureError as error:
            yield at, str(error)
        else:
            known.append((at, signal))
    busy = [(_ratio(signal), at) for at, signal in known if signal.kind is Kind.UTILIZATION]
    first = min(busy, default=None)
    for at, signal in known:
        if first is not None and signal.kind is Kind.UTILIZATION and at != first[1]:
            yield at, f"{signal.name}: {signals[first[1]].name} reaches its target first, and one utilisation is simulated"
        if first is not None and signal.kind in (Kind.CONCURRENCY, Kind.KV_CACHE):
            yield at, f"{signal.name}: how it goes with {signals[first[1]].name} is not known, which tells the load"


def _ratio(signal: Signal) -> float:
    return signal.target_milli / (_PER_CENT if signal.percent else _RATIO)


def _engine(signals: Sequence[Signal], per_s: float, pieces: int) -> tuple[Engine, float, str]:
    """Return the engine, how many tokens an answer has, and both in words."""
    busy = next((_ratio(signal) for signal in signals if signal.kind is Kind.UTILIZATION), None)
    in_flight = next((signal.target_milli / 1000 for signal in signals if signal.kind is Kind.CONCURRENCY), None)
    cache = next((signal.target_milli / 1000 for signal in signals if signal.kind is Kind.KV_CACHE), None)
    late = f"an answer is late that begins after {_SLO.first_token_s:g} s"
    if busy is not None or (in_flight is None and cache is None):
        ratio = min(busy or _ASSUMED_RATIO, 1.0)
        said = "" if busy is not None else ", which no metric says"
        engine = Classic(batch_s=0.0, item_s=ratio / (per_s * pieces), max_batch=_MOST_IN_BATCH)
        return engine, _ANSWER_TOKENS, f"a replica's worth of load keeps a replica {ratio:.0%} busy{said}; {late}"
    running = (in_flight or _ASSUMED_IN_FLIGHT) * pieces
    tokens = max(_ANSWER_TOKENS, math.ceil(running * _TOKENS_IN_FLIGHT))
    filled = min(cache, 1.0) if cache is not None else _ASSUMED_RATIO
    llm = Llm(
        step_s=running / (per_s * pieces * tokens),
        step_per_sequence_s=0.0,
        step_per_prompt_token_s=0.0,
        host_s=0.0,
        max_sequences=max(1, math.ceil(running / _ASSUMED_RATIO)),
        kv_tokens=math.ceil(running * (_PROMPT_TOKENS + tokens) / filled),
    )
    said = f", which fill {filled:.0%} of its KV cache" if cache is not None else ""
    return llm, tokens, f"a replica's worth of load keeps {running / pieces:g} requests in flight{said}; {late}"


def _kept(scaler: Scaler, usable: Sequence[bool], pieces: int) -> Scaler:
    """Return *scaler* with its *usable* signals, in requests of the simulation, and set to act."""
    pairs = [pair for pair, kept in zip(zip(scaler.policy.signals, scaler.queries, strict=True), usable, strict=True) if kept]
    signals = tuple(_in_pieces(signal, pieces) for signal, _ in pairs)
    policy = dataclasses.replace(scaler.policy, signals=signals, mode=Mode.AUTO)
    return dataclasses.replace(scaler, policy=policy, queries=tuple(query for _, query in pairs))


def _in_pieces(signal: Signal, pieces: int) -> Signal:
    counts = signal.kind in (Kind.QUEUE, Kind.CONCURRENCY, Kind.RATE)
    return dataclasses.replace(signal, target_milli=signal.target_milli * pieces) if counts else signal
