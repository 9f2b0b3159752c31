"""Telling: each scaler's status and events, written beside the loop and never in its way.

What is decided is told at once; figures that merely move are written now and then. A write that fails is made again with the
newest words, so an API server that was away hears how things stand, and not everything that happened.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from adapter.errors import ApiServerError
from adapter.kube.client import Kube
from adapter.kube.watch import METADATA
from autoscaler.cluster.requests import MERGE_PATCH
from autoscaler.cost.account import Account
from autoscaler.cost.census import Census
from autoscaler.decision.model import Decision, Memory, Observation
from autoscaler.decision.offered import Offered
from autoscaler.outlook import Outlook
from autoscaler.report import conditions, counterfactual, events, narrate, status
from autoscaler.report.telemetry import Telemetry
from autoscaler.resource.scaler import GROUP, MANAGER, PLURAL, VERSION, Key, Scaler
from autoscaler.seen import Pool
from autoscaler.settings import Pace

log = structlog.get_logger("autoscaler")

_WRITERS = 4  # at once; setting replicas has its own way to the API server, and goes first
_EACH_S = 0.04  # of the status period for each scaler: 5,000 of them are refreshed in 200 s, with 25 writes a second
_AGAIN_S = 5.0  # until what was not written is tried again; twice as long each time, up to the status period
_LASTING_S = 300.0  # or to this, where it will be refused for as long as nobody mends it
_CROWD = 16  # targets that are being changed at once: then words wait, so that the API server has time for the replicas
_CALM_S = 1.0  # and for this long afterwards: a crowd comes in waves
_COURTESY_S = 30.0  # but not for longer than this in all
_LOOK_S = 0.1
_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision, and what there is to tell of it."""

    scaler: Scaler
    observation: Observation
    before: Memory
    decision: Decision
    memory: Memory
    startup: status.Startup
    pool: Pool
    census: Census
    offered: Offered | None = None  # None: its load is not known
    outlook: Outlook | None = None  # None: its load is not forecast
    corrupted: bool = False


class Audience(Protocol):
    """Who else hears of every decision, as it is taken: the web page. It must not take long."""

    def decided(self, told: Decided, account: Account, /) -> None:
        """Hear of a decision; *account* is what the scaler has used, and goes on."""

    def undecided(self, key: Key, /) -> None:
        """Hear that nothing is decided on *key*."""

    def forget(self, key: Key, /) -> None:
        """Hear that *key* is gone."""


@dataclass(slots=True)
class _Told:
    """What an object's readers know."""

    about: events.About
    status: Mapping[str, Any] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    decision: Decision | None = None
    logged: Hashable = None
    news: Hashable = None
    refresh_at: float = 0.0
    queued: bool = False
    failures: int = 0  # to write it, in a row
    trouble: str = ""  # what the last of them said
    again: asyncio.TimerHandle | None = None  # it is tried again then, and not before


class Reporting:
    """Writes status and events of the scalers. *fence* is asked before each write; *acting* is how many targets are changing."""

    def __init__(
        self,
        kube: Kube,
        *,
        telemetry: Telemetry,
        fence: Callable[[], bool],
        pace: Pace,
        acting: Callable[[], int] = lambda: 0,
        audience: Audience | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._acting = acting
        self._audience = audience
        self._crowded_at = float("-inf")  # when there was a crowd last, and since when: the loop's time
        self._crowded_since: float | None = None
        self._telemetry = telemetry
        self._fence = fence
        self._pace = pace
        self._clock = clock
        self._events = events.Emitter(kube, clock=clock, let_others_first=self._let_others_first)
        self._told: dict[Key, _Told] = {}
        self._due: asyncio.Queue[Key] = asyncio.Queue()
        self._untold: deque[Decided] = deque()  # what was decided in a crowd: it takes as long to put into words as to decide
        self._catch_up = asyncio.Event()

    async def run(self) -> None:
        """Write until cancelled, which is when somebody else begins to lead: then what objects say is no longer ours to know."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._tell_untold(), name="tell what was put off")
                group.create_task(self._events.run(), name="write events")
                for number in range(_WRITERS):
                    group.create_task(self._write(), name=f"write status {number}")
        except asyncio.CancelledError:
            self._told.clear()
            self._untold.clear()
            raise

    def know(self, key: Key, document: Mapping[str, Any]) -> None:
        """Take over what *key*'s own document says of its status, from whoever led before."""
        known = self._told.get(key)
        if known is not None:
            # It is told anew, whatever there is to say: its reader sees that the edit is known, and it may be taken now.
            known.refresh_at, known.failures = 0.0, 0
            if known.again is not None:
                known.again.cancel()
                known.again = None
        else:
            about = events.About(key.namespace, key.name, document["metadata"].get("uid", ""))
            status = document.get("status") or {}
            self._told[key] = _Told(about, status=status, account=Account.restored(status))

    def forget(self, key: Key) -> None:
        """Say nothing more about *key*."""
        self._told.pop(key, None)
        self._telemetry.forget(key)
        if self._audience is not None:
            self._audience.forget(key)

    def decided(self, told: Decided) -> None:
        """Tell of a decision, if it is news or the figures are old."""
        decision = told.decision
        known = self._told.get(told.scaler.key)
        if known is None:
            return  # deleted meanwhile
        self._telemetry.used(told.scaler, told.census, known.account, now=told.observation.now)
        self._telemetry.decided(
            told.scaler,
            told.observation,
            decision,
            told.startup,
            offered=told.offered,
            outlook=told.outlook,
            pool=told.pool,
        )
        if self._audience is not None:
            self._audience.decided(told, known.account)
        if known.logged != (decision.replicas, decision.reason):
            known.logged = decision.replicas, decision.reason
            log.info(
                "decided",
                scaler=str(told.scaler.key),
                before=decision.current,
                after=decision.replicas,
                serving=decision.serving,
                reason=str(decision.reason),
                why=narrate.message(decision),
                act=decision.act,
            )
        if self._untold or self._crowded(asyncio.get_running_loop().time()):
            self._untold.append(told)
            self._catch_up.set()
        else:
            self._tell_of(told)

    async def _tell_untold(self) -> None:
        while True:
            await self._catch_up.wait()
            self._catch_up.clear()
            while self._untold:
                await self._let_others_first()
                self._tell_of(self._untold.popleft())
                await asyncio.sleep(0)

    def _tell_of(self, told: Decided) -> None:
        decision, key = told.decision, told.scaler.key
        known = self._told.get(key)
        if known is None:
            return  # deleted meanwhile
        now = self._clock()
        news = _news(told.observation, decision)
        if news == known.news and now < known.refresh_at:
            known.decision = decision
            return
        answers = conditions.decided(
            told.scaler.policy,
            told.observation,
            decision,
            told.memory,
            outlook=told.outlook,
            note="; ".join(told.scaler.notes),
            corrupted=told.corrupted,
        )
        self._telemetry.answered(key, told.scaler, answers)
        for event in events.of(decision, known.decision):
            self._events.say(known.about, event)
        changed_mind = status.is_news(decision, known.status)
        document = status.document(
            told.scaler,
            observation=told.observation,
            decision=decision,
            memory=told.memory,
            conditions=self._conditions(known, answers, told.scaler.generation, now),
            startup=told.startup,
            pool=told.pool,
            gpus=told.census.gpus,
            today=known.account.today,
            offered=told.offered,
            outlook=told.outlook,
            otherwise=counterfactual.of(told.scaler.policy, told.observation, told.before, decision) if changed_mind else (),
            previous=known.status,
        )
        known.decision, known.news = decision, news
        self._tell(key, known, document, now)

    def undecided(self, key: Key, scaler: Scaler | None, generation: int, answers: Sequence[conditions.Condition]) -> None:
        """Tell that nothing is decided on *key*, and why."""
        known = self._told.get(key)
        if known is None:
            return  # deleted meanwhile
        for told in [each for each in self._untold if each.scaler.key == key]:
            self._untold.remove(told)
            self._tell_of(told)
        now = self._clock()
        known.decision = known.news = known.logged = None
        self._telemetry.undecided(key)
        if self._audience is not None:
            self._audience.undecided(key)
        self._telemetry.answered(key, scaler, answers)
        said = self._conditions(known, answers, generation, now)
        document = status.undecided(scaler, generation=generation, conditions=said, previous=known.status)
        self._tell(key, known, document, now)

    def _conditions(
        self, known: _Told, answers: Sequence[conditions.Condition], generation: int, now: float
    ) -> list[dict[str, Any]]:
        before = known.status.get("conditions") or []
        said = conditions.documents(answers, before, at=now, generation=generation)
        for event in events.of_conditions(said, before):
            self._events.say(known.about, event)
        return said

    def _tell(self, key: Key, known: _Told, document: status.Document, now: float) -> None:
        news = status.changed(known.status, document)
        if not news and now < known.refresh_at:
            return
        known.status = document
        known.refresh_at = now + self._period_s()
        if not known.queued and known.again is None:
            known.queued = True
            self._due.put_nowait(key)

    def _period_s(self) -> float:
        return max(self._pace.status_s, _EACH_S * len(self._told))

    async def _write(self) -> None:
        while True:
            key = await self._due.get()
            await self._let_others_first()
            known = self._told.get(key)
            if known is None:
                continue
            known.queued = False
            if known.again is not None or not self._fence():
                continue
            path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}/status"
            try:
                await self._kube.request(
                    "PATCH",
                    path,
                    query={"fieldManager": MANAGER},
                    body={"status": known.status},
                    content_type=MERGE_PATCH,
                    accept=METADATA,
                    timeout_s=_TIMEOUT_S,
                )
            except ApiServerError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    continue  # deleted meanwhile
                self._put_off(key, known, error)
            else:
                known.failures, known.trouble = 0, ""

    def _put_off(self, key: Key, known: _Told, error: ApiServerError) -> None:
        """Have it tried again, less and less often; it is said once, until there is another reason."""
        if self._told.get(key) is not known:
            return  # deleted meanwhile
        known.failures += 1
        if str(error) != known.trouble:
            known.trouble = str(error)
            log.warning("status not written", scaler=str(key), error=known.trouble)
        longest_s = max(self._period_s(), _LASTING_S if error.lasting else _AGAIN_S)
        delay_s = min(longest_s, _AGAIN_S * 2.0 ** min(known.failures - 1, 10))
        # Not all that failed together try again together.
        known.again = asyncio.get_running_loop().call_later(delay_s - key.moment(delay_s / 4.0), self._again, key)

    async def _let_others_first(self) -> None:
        """Wait while many replicas are being set: who reads a status can wait for a moment, who waits for a pod cannot."""
        loop = asyncio.get_running_loop()
        while True:
            if not self._crowded(loop.time()):
                return
            await asyncio.sleep(_LOOK_S)

    def _crowded(self, now: float) -> bool:
        if self._acting() > _CROWD:
            self._crowded_at = now
            if self._crowded_since is None:
                self._crowded_since = now
        elif now - self._crowded_at >= _CALM_S:
            self._crowded_since = None
        # When they hang nobody is helped by silence.
        return self._crowded_since is not None and now - self._crowded_since < _COURTESY_S

    def _again(self, key: Key) -> None:
        known = self._told.get(key)
        if known is None or known.again is None:
            return
        known.again = None
        if not known.queued:
            known.queued = True
            self._due.put_nowait(key)


def _news(observation: Observation, decision: Decision) -> Hashable:
    """Return what readers want to hear of at once: the numbers, why, which pods there are, and which signals could be read."""
    return (
        decision.replicas,
        decision.current,
        decision.serving,
        decision.reason,
        decision.act,
        decision.limited_by,
        decision.forecast_used,
        observation.pods,
        tuple((vote.fresh, vote.coverage) for vote in decision.votes),
    )
