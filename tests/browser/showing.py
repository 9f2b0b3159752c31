"""A fleet on show: the page's own board and site over a fleet that is decided on for real, in this process or one of its own.

As a program it shows COUNT targets until it is stopped, and decides on each of them every few seconds, as a controller does.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from adapter import running, serving
from autoscaler.decision.model import Mode
from autoscaler.page.access import Access, WithKey
from autoscaler.page.board import Board
from autoscaler.page.site import Site, Standing
from autoscaler.resource.scaler import Key
from tests.autoscaler.page import fleet
from tests.autoscaler.page.fleet import Target

KEY = "the-key-of-a-page-in-a-test"
TICK_S = 5.0

_MODELS = {
    "llm-inference": ("qwen3-32b", "llama-3-70b", "mistral-small", "gemma-27b"),
    "search": ("embeddings-e5", "reranker"),
    "speech": ("whisper-large", "tts-en"),
    "vision": ("sdxl", "clip-vit", "ocr-server"),
    "research": ("deepseek-r1", "qwen3-coder"),
    "assistants": ("chat-front", "summaries", "moderation"),
}
_STANDING = Standing(True, "leadtime-autoscaler-7d9c", "leadtime-autoscaler-7d9c")


def models() -> list[Target]:
    """Return a fleet as somebody may have one, with its troubles."""
    found = []
    keys = [Key(namespace, name) for namespace, names in _MODELS.items() for name in names]
    for place, key in enumerate(keys):
        load = fleet.waves(
            low=0.6 + place % 3,
            high=3.0 + 1.3 * (place % 5),
            period_s=1500.0 + 130.0 * place,
            phase=place / 7,
            burst=1.5 * (place % 2),
        )
        found.append(Target(key, load, gpus=1 + place % 4))
    found[3].silent = True
    found[5].policy = fleet.policy(mode=Mode.RECOMMEND, max_replicas=6)
    found[8].blocked = 1
    found[10].policy = fleet.policy(mode=Mode.PAUSED)
    found[14].load = lambda _: 0.0
    found[14].policy = fleet.policy(min_replicas=0, idle=None, warm_pool=fleet.WarmPool())
    found[14].ready_at = []
    return found


TROUBLES = {
    "gemma-27b": {
        "SignalsFresh": "gpu_utilization, inference_queue_size and requests_in_flight are missing: source down: prometheus"
    },
    "sdxl": {"CapacityBlocked": "1 pod is unschedulable for 400 s: 0/6 nodes are available: 6 Insufficient nvidia.com/gpu"},
}


def many(count: int) -> list[Target]:
    """Return so many targets."""
    return [
        Target(
            Key(f"team-{place % 25}", f"model-{place:04d}"),
            fleet.waves(low=1.0, high=2.0 + place % 7, period_s=240.0 + place % 300, phase=place / count),
        )
        for place in range(count)
    ]


def past(until: float, *, day_s: float = 0.0, fine_s: float = TICK_S) -> Iterator[float]:
    """Yield the moments of decisions until then: half an hour, one every *fine_s*, and a day before it, one every *day_s*."""
    if day_s:
        yield from (until - 86_400.0 + day_s * tick for tick in range(int((86_400 - 1800) / day_s)))
    yield from (until - 1800.0 + fine_s * tick for tick in range(int(1800 / fine_s)))


def board(
    targets: Sequence[Target], moments: Callable[[Target], Iterator[float]], *, clock: Callable[[], float] = time.time
) -> Board:
    """Return a board on which each of *targets* has lived through its *moments*."""
    made = Board(tick_s=TICK_S, clock=clock)
    for target in targets:
        fleet.lived(made, [target], moments(target))
        document = target.document(clock(), TROUBLES.get(target.key.name))
        made.heard(target.key, json.dumps(document).encode())
    return made


@contextlib.asynccontextmanager
async def serve(
    made: Board,
    *,
    access: Access | None = None,
    standing: Standing = _STANDING,
    port: int = 0,
    tls: serving.ServingTls | None = None,
    each_s: float = 1.0,
    beat_s: float = 10.0,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[int]:
    """Serve the page of *made* on loopback and yield its port."""
    site = Site(board=made, access=access or WithKey(KEY), standing=lambda: standing, clock=clock, each_s=each_s, beat_s=beat_s)
    listening = serving.serve(site.handle, host="127.0.0.1", port=port, tls=tls, on_drain=site.close, drain_s=0.0, grace_s=0.5)
    async with listening as found:
        yield found.port


async def deciding(made: Board, targets: Sequence[Target]) -> None:
    """Decide on every target at its own moment of every period, until cancelled."""
    while True:
        began = time.monotonic()
        for place, target in enumerate(targets):
            made.decided(target.decided(time.time()), target.account)
            ahead_s = began + TICK_S * (place + 1) / len(targets) - time.monotonic()
            if ahead_s > 0.0:
                await asyncio.sleep(ahead_s)
        await asyncio.sleep(max(0.0, began + TICK_S - time.monotonic()))


async def _show(count: int, port: int) -> None:
    targets = many(count)
    began = time.time()
    made = board(targets, lambda target: past(began) if target is targets[0] else iter([began - TICK_S]))
    stop = running.stop_on_signal()
    async with serve(made, port=port) as found:
        print(json.dumps({"port": found, "key": KEY}), flush=True)
        work = asyncio.create_task(deciding(made, targets))
        await stop.wait()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--port", type=int, default=0)
    told = parser.parse_args()
    asyncio.run(_show(told.count, told.port))
    sys.exit(0)
