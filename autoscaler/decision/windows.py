"""Stabilisation: what was asked for lately holds back what is asked for now, as autoscaling/v2's windows do.

The number rises no higher than the lowest, and falls no lower than the highest, that was asked for within its window. What was
asked is kept as spans of ticks that asked for the same, so that a day at rest costs one span.
"""

from autoscaler.decision.model import Behavior, Direction, Rule, Span
from autoscaler.decision.trail import Trail

_COMPRESSED_ABOVE = 64  # spans; fewer cost less than looking for those that no longer matter


def record(asked: tuple[Span, ...], replicas: int, behavior: Behavior, *, now: float) -> tuple[Span, ...]:
    """Return *asked* with *replicas* as what is asked for at *now*, without what no window reaches any more."""
    last = asked[-1] if asked else None
    if last is not None and last.replicas == replicas:
        return (*asked[:-1], Span(replicas, last.since, now))
    longest_s = max(behavior.up.window_s, behavior.down.window_s)
    kept = tuple(span for span in asked if span.until > now - longest_s)
    if len(kept) > _COMPRESSED_ABOVE:
        kept = _telling(kept)
    return (*kept, Span(replicas, now, now))


def _telling(asked: tuple[Span, ...]) -> tuple[Span, ...]:
    """Return the spans that can still be the lowest or the highest of a window.

    A window that holds a span holds all that are younger: a span between a lower one and a higher one, both younger, tells nothing.
    """
    youngest = asked[-1]
    kept, lowest, highest = [youngest], youngest.replicas, youngest.replicas
    for span in reversed(asked[:-1]):
        if not lowest <= span.replicas <= highest:
            kept.append(span)
            lowest, highest = min(lowest, span.replicas), max(highest, span.replicas)
    return tuple(reversed(kept))


def hold_up(trail: Trail, asked: tuple[Span, ...], up: Direction, *, current: int, now: float, foreseen: int = 0) -> None:
    """Let the number rise above *current* only as far as was asked for throughout the window, or as is *foreseen*."""
    number = trail.number
    if number <= current or not up.window_s:
        return
    holder = _extreme(asked, now - up.window_s, number, lower=True)
    if holder is None:
        return
    held = max(current, holder.replicas)
    after = max(held, min(foreseen, number))
    if after == number:
        return
    why = f"{holder.replicas} was enough {_ago(holder, now)}: more has to be asked for throughout {up.window_s} s"
    trail.set(Rule.UP_WINDOW, after, f"{why}; what is forecast does not wait" if after > held else why)


def hold_down(trail: Trail, asked: tuple[Span, ...], down: Direction, *, current: int, now: float) -> None:
    """Let the number fall below *current* only as far as nothing more was asked for throughout the window."""
    number = trail.number
    if number >= current or not down.window_s:
        return
    holder = _extreme(asked, now - down.window_s, number, lower=False)
    if holder is None:
        return
    after = min(current, holder.replicas)
    why = f"{holder.replicas} was asked for {_ago(holder, now)}: fewer has to be asked for throughout {down.window_s} s"
    trail.set(Rule.DOWN_WINDOW, after, why)


def _extreme(asked: tuple[Span, ...], cutoff: float, number: int, *, lower: bool) -> Span | None:
    """Return the youngest span after *cutoff* that asked for least (or most), if that is less (or more) than *number*."""
    found: Span | None = None
    for span in reversed(asked):
        if span.until <= cutoff:
            break
        if span.replicas < number if lower else span.replicas > number:
            found, number = span, span.replicas
    return found


def _ago(span: Span, now: float) -> str:
    return f"{now - span.until:.0f} s ago"
