"""Knative Serving 1.23's pod autoscaler, KPA (main at 98e5ef9, August 2026), on concurrency.

Ported: ``pkg/autoscaler/scaling/autoscaler.go`` (stable and panic windows), ``pkg/autoscaler/aggregation/bucketing.go`` (what a
window's mean is), ``pkg/autoscaler/metrics/stats_scraper.go`` (a few pods stand for all), and from
``pkg/reconciler/autoscaling/kpa`` the way to zero (``scaler.go``) and what counts as active (``kpa.go``); the defaults are those of
``config/core/configmaps/autoscaler.yaml``. It follows the total of requests in pods and in the activator, never a mean per pod.

Target burst capacity is ignored where it matters most: here the activator only takes requests while no pod does, and holds them.
It is kept where it shortens the way to zero: an activator that has been in the path for the grace period needs no more of it.
Left out: activation scale, initial scale, unreachable revisions; queue-proxies report the mean of a second, pods here an instant.
"""

import enum
import math
from collections import deque
from dataclasses import dataclass

from autoscaler.simulation.sight import PodMetric, Sight, TotalMetric, Wanted
from autoscaler.simulation.world import Path

_FRESH_SCRAPES = 3  # what is older is from before scrapes that failed
_ROUNDING_S = 1e-6  # a moment that was asked for in seconds from another one may come this much too early


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the ConfigMap ``config-autoscaler`` and a revision's annotations say."""

    container_concurrency: float = 100.0
    """Requests that one pod takes; 100 is the default target of a revision that says nothing."""
    target_utilization_ratio: float = 0.7
    min_scale: int = 0
    max_scale: int = 0
    """0: no bound."""
    stable_window_s: int = 60
    panic_window_ratio: float = 0.1
    panic_threshold_ratio: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    scale_down_delay_s: float = 0.0
    """A smaller number is followed once it has been wanted so long."""
    scale_to_zero_grace_s: float = 30.0
    pod_retention_s: float = 0.0
    """The last pod stays at least so long after the requests have ended for a stable window."""
    target_burst_capacity: float = 211.0
    progress_deadline_s: float = 600.0
    tick_s: float = 2.0
    scrape_s: float = 1.0

    def __post_init__(self) -> None:
        if self.min_scale < 0 or (0 < self.max_scale < self.min_scale):
            raise ValueError(f"0 <= min-scale {self.min_scale} <= max-scale {self.max_scale}, or 0 for no bound")
        if self.container_concurrency <= 0 or not 0 < self.target_utilization_ratio <= 1:
            raise ValueError("container concurrency must be above 0, and the target utilisation above 0 and at most 1")
        if self.max_scale_up_rate <= 1 or self.max_scale_down_rate <= 1:
            raise ValueError("the maximum scale rates must be above 1")

    @property
    def target(self) -> float:
        """Requests that it wants in each pod."""
        return max(0.01, self.container_concurrency * self.target_utilization_ratio)

    @property
    def panic_window_s(self) -> int:
        """The window that bursts are seen in."""
        return max(1, round(self.stable_window_s * self.panic_window_ratio))


class _Activity(enum.Enum):
    """The PodAutoscaler's condition Active: unknown, true, false."""

    ACTIVATING = enum.auto()
    ACTIVE = enum.auto()
    INACTIVE = enum.auto()


class Window:
    """The mean over a window of seconds, of values that are added up within a second."""

    def __init__(self, window_s: int) -> None:
        self._window_s = window_s
        self._buckets: deque[list[float]] = deque()  # [second, sum], ascending
        self._first = self._last = -math.inf

    def record(self, at: float, value: float) -> None:
        """Add *value* to the second of *at*; without any for a whole window it begins anew."""
        second = math.floor(at)
        if second - self._last >= self._window_s:
            self._buckets.clear()
            self._first = second
        if second == self._last:
            self._buckets[-1][1] += value
        else:
            self._buckets.append([second, value])
            self._last = second
            self._forget(second)

    def mean(self, now: float) -> float | None:
        """Return the mean of the seconds from the first to the last of the window; gaps between them count as 0.

        None without a value for longer than the window.
        """
        second = math.floor(now)
        silent_s = second - self._last
        if silent_s > self._window_s:
            return None
        if silent_s == self._window_s:
            return 0.0
        self._forget(second)
        seconds = min(self._last - self._first + 1, self._window_s - silent_s)
        mean = sum(value for _, value in self._buckets) / seconds
        return math.floor(mean * 1e6 + 0.5) / 1e6

    def _forget(self, second: int) -> None:
        while self._buckets and self._buckets[0][0] <= second - self._window_s:
            self._buckets.popleft()


class Kpa:
    """One revision under KPA's care; the activator in front of it holds requests."""

    holds_requests = True

    def __init__(self, settings: Settings, *, name: str = "knative kpa") -> None:
        self.name = name
        self.period_s = settings.scrape_s
        self.path: Path | None = Path(scrape_s=settings.scrape_s)
        self._settings = settings
        self._stable, self._panic = Window(settings.stable_window_s), Window(settings.panic_window_s)
        self._tick_at = -math.inf
        self._panicking_since: float | None = None
        self._max_panic_pods = 0
        self._wanted_lately: deque[tuple[float, int]] = deque()
        self._desired: int | None = None
        self._activity: _Activity | None = None
        self._activity_since = 0.0
        self._excess_burst = -1.0
        self._proxied = True
        self._proxied_since = 0.0

    def ask(self, sight: Sight) -> Wanted:
        """Take in a scrape; at a tick, or when a request comes to a revision that is at zero, decide and reconcile."""
        now = sight.now
        if self._activity is None:
            self._begin(sight)
        oldest = now - _FRESH_SCRAPES * self._settings.scrape_s
        held = sight.total.get(TotalMetric.HELD)
        held_now = held.value if held is not None and held.at >= oldest else 0.0
        ready = self._scrape(sight, held_now, oldest)
        if self._tick_at <= now + _ROUNDING_S:
            self._tick_at = now + self._settings.tick_s
        elif sight.replicas != 0 or held_now == 0.0:
            return Wanted(replicas=sight.replicas)
        self._decide(now, ready)
        return Wanted(replicas=self._reconcile(now, sight.replicas, ready))

    def _begin(self, sight: Sight) -> None:
        """Start, in panic when more than one pod is ready: without history nothing may be taken away."""
        ready = sum(pod.ready and not pod.terminating for pod in sight.pods)
        if ready > 1:
            self._panicking_since, self._max_panic_pods = sight.now, ready
        self._activity = _Activity.ACTIVE if ready else _Activity.ACTIVATING if sight.replicas else _Activity.INACTIVE
        self._activity_since = self._proxied_since = sight.now

    def _scrape(self, sight: Sight, held: float, oldest: float) -> int:
        """Record how many requests there are, and return how many pods are ready. A scrape that fails records nothing."""
        running, waiting = sight.per_pod.get(PodMetric.RUNNING, {}), sight.per_pod.get(PodMetric.WAITING, {})
        ready = found = 0
        inside = 0.0
        for pod in sight.pods:
            if pod.ready_at is None or pod.terminating:
                continue
            ready += 1
            runs, waits = running.get(pod.name), waiting.get(pod.name)
            if runs is not None and waits is not None and runs.at >= oldest and waits.at >= oldest:
                found += 1
                inside += runs.value + waits.value
        if found or held:  # the activator reports only while it has requests
            concurrency = held + (inside / found * ready if found else 0.0)
            self._stable.record(sight.now, concurrency)
            self._panic.record(sight.now, concurrency)
        return ready

    def _decide(self, now: float, ready: int) -> None:
        """Renew the number of pods that is wanted; without data it stays as it was."""
        settings = self._settings
        stable, panic = self._stable.mean(now), self._panic.mean(now) or 0.0
        if stable is None:
            return
        there = max(1, ready)
        most, least = math.ceil(settings.max_scale_up_rate * there), math.floor(there / settings.max_scale_down_rate)
        for_panic = math.ceil(panic / settings.target)
        wanted = min(max(math.ceil(stable / settings.target), least), most)

        over = for_panic / there >= settings.panic_threshold_ratio
        if over:
            self._panicking_since = now
        elif self._panicking_since is not None and self._panicking_since + settings.stable_window_s < now:
            self._panicking_since, self._max_panic_pods = None, 0
        if self._panicking_since is not None:
            self._max_panic_pods = max(self._max_panic_pods, wanted, min(max(for_panic, least), most))
            wanted = self._max_panic_pods

        self._desired = self._delayed(now, wanted)
        if settings.target_burst_capacity > 0:
            capacity = ready * settings.container_concurrency
            self._excess_burst = math.floor(capacity - settings.target_burst_capacity - panic)
        else:
            self._excess_burst = settings.target_burst_capacity  # 0: never in the path of a pod, -1: always

    def _delayed(self, now: float, wanted: int) -> int:
        if self._settings.scale_down_delay_s <= 0:
            return wanted
        self._wanted_lately.append((now, wanted))
        while self._wanted_lately[0][0] <= now - self._settings.scale_down_delay_s:
            self._wanted_lately.popleft()
        return max(number for _, number in self._wanted_lately)

    def _reconcile(self, now: float, current: int, ready: int) -> int:
        """Return what the scale becomes, and note whether the revision is active."""
        wanted, applied = self._desired, True
        if wanted is not None:
            wanted = max(wanted, self._settings.min_scale)
            wanted = min(wanted, self._settings.max_scale) if self._settings.max_scale else wanted
        if wanted == 0:
            wanted, applied = self._towards_zero(now)
        self._note(now, wanted, ready)
        return wanted if applied and wanted is not None else current

    def _towards_zero(self, now: float) -> tuple[int | None, bool]:
        """Return what the revision is brought to, None while that is not known, and whether it is done already."""
        settings, since_s = self._settings, now - self._activity_since
        if self._activity is _Activity.ACTIVATING:
            # Half a minute more than the Deployment has, so that its own failure shows first.
            return (0, True) if since_s >= settings.progress_deadline_s + 30.0 else (None, False)
        if self._activity is _Activity.ACTIVE:
            return (0, False) if since_s >= settings.stable_window_s else (1, True)
        if since_s >= max(settings.scale_to_zero_grace_s, settings.pod_retention_s):
            return 0, True
        if since_s < settings.pod_retention_s:
            return 0, False
        return 0, self._proxied and now - self._proxied_since >= settings.scale_to_zero_grace_s

    def _note(self, now: float, wanted: int | None, ready: int) -> None:
        """Note since when the activator is in the path, and since when the revision is active or not."""
        proxied = not wanted or self._excess_burst < 0
        if proxied and not self._proxied:
            self._proxied_since = now
        self._proxied = proxied
        if wanted == 0:
            activity = _Activity.INACTIVE
        elif wanted is None and self._activity is _Activity.INACTIVE:
            return
        else:
            activity = _Activity.ACTIVE if ready >= max(self._settings.min_scale, 1) else _Activity.ACTIVATING
        if activity is not self._activity:
            self._activity, self._activity_since = activity, now
