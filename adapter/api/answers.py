"""What the API server has answered, remembered for as long as that is safe.

Who carries this token, may this user read that: both questions cost a round trip, and the HPA controller asks the same few every
15 seconds, longer than the 10 seconds that other adapters remember. Here a yes is asked again in the background before it grows
old, so a read on the warm path waits for nobody; when the API server is away, a yes goes on for a bounded time and then ends.
What is asked, and what a yes is, belongs to `authn` and `authz`.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from adapter.errors import ApiServerError

K = TypeVar("K", bound=Hashable)
Q = TypeVar("Q")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long an answer may be used before it is asked again, in seconds."""

    yes_s: float = 60.0  # a right that was revoked still works for this long
    no_s: float = 10.0  # a right that was just granted is missed for this long
    refresh_after_s: float = 30.0  # a yes that is still read is asked again in the background from this age on
    away_s: float = 300.0  # without an API server a yes lives this long from when it was last confirmed
    patience_s: float = 1.0  # a read waits this long for a yes past its time before it takes the API server to be away
    retry_s: float = 2.0  # pause between two questions that the API server does not answer
    timeout_s: float = 10.0  # one question
    size: int = 8192  # answers kept; the least recently used goes first

    def __post_init__(self) -> None:
        if not 0 < self.refresh_after_s <= self.yes_s <= self.away_s:
            raise ValueError(
                f"refresh_after_s {self.refresh_after_s}, yes_s {self.yes_s} and away_s {self.away_s} must be positive and must not"
                " shrink in this order"
            )


@dataclass(frozen=True, slots=True)
class Unknown:
    """The API server could not be asked, and no earlier yes is young enough to go by."""

    reason: str


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V | Unknown
    ask_at: float  # from here on a read starts a question
    use_until: float  # from here on a read waits for its answer
    end_at: float  # from here on the value is worth nothing, whatever the API server does


class Answers(Generic[K, Q, V]):
    """Answers by key. Each question is under way at most once; `close` ends those that are.

    The key stands for the question (a token's hash for the token), so that secrets are not kept. *ask* raises `ApiServerError`
    when there is no answer. *is_yes* tells a yes, which outlives its time while the API server is away, from a no, which does
    not. *clock* counts seconds and never goes back.
    """

    def __init__(
        self,
        ask: Callable[[Q], Awaitable[V]],
        *,
        is_yes: Callable[[V], bool],
        name: str,
        terms: Terms,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._is_yes = is_yes
        self._name = name
        self._terms = terms
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._asking: dict[K, asyncio.Task[V | Unknown]] = {}
        self.asked = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def ready(self, key: K, question: Q) -> V | Unknown | None:
        """Return the answer that may be used without waiting, or None; one that grows old is asked again in the background."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        now = self._clock()
        if now >= entry.ask_at:
            if now >= entry.use_until:
                return None
            self._begin(key, question)
        self._entries.move_to_end(key)
        return entry.value

    async def get(self, key: K, question: Q) -> V | Unknown:
        """Return the answer to *question*, asking if there is none to go by."""
        value = self.ready(key, question)
        if value is not None:
            return value
        self._begin(key, question)
        task = self._asking[key]
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.end_at:
            return await asyncio.shield(task)
        try:
            async with asyncio.timeout(self._terms.patience_s):
                return await asyncio.shield(task)
        except TimeoutError:
            entry.use_until = entry.end_at  # the reads behind this one need not wait as well
            return entry.value

    async def close(self) -> None:
        """Give up the questions that are under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._asking.clear()

    def _begin(self, key: K, question: Q) -> None:
        """Start asking, unless that is under way."""
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._question(key, question), name=f"ask for {self._name}")

    async def _question(self, key: K, question: Q) -> V | Unknown:
        self.asked += 1
        asked_at = self._clock()
        try:
            async with asyncio.timeout(self._terms.timeout_s):
                value = await self._ask(question)
        except ApiServerError as exc:
            return self._unanswered(key, str(exc))
        except TimeoutError:
            return self._unanswered(key, f"Kubernetes API server: no answer within {self._terms.timeout_s:g}s")
        finally:
            del self._asking[key]
        return self._answered(key, value, asked_at)

    def _answered(self, key: K, value: V, asked_at: float) -> V:
        if self._is_yes(value):
            entry = _Entry[V](
                value,
                ask_at=asked_at + self._terms.refresh_after_s,
                use_until=asked_at + self._terms.yes_s,
                end_at=asked_at + self._terms.away_s,
            )
        else:
            until = asked_at + self._terms.no_s
            entry = _Entry[V](value, ask_at=until, use_until=until, end_at=until)
        self._keep(key, entry)
        return value

    def _unanswered(self, key: K, reason: str) -> V | Unknown:
        """Keep to an earlier yes while it lasts; otherwise remember for a moment that there is nobody to ask."""
        retry_at = self._clock() + self._terms.retry_s
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.end_at:
            entry.ask_at = min(retry_at, entry.end_at)
            entry.use_until = entry.end_at
        else:
            entry = _Entry[V](Unknown(reason), ask_at=retry_at, use_until=retry_at, end_at=retry_at)
            self._keep(key, entry)
        return entry.value

    def _keep(self, key: K, entry: _Entry[V]) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._terms.size:
            self._entries.popitem(last=False)
