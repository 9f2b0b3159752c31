"""Recognise, in an expression, what a rule of ours can say by itself: one series, measured, folded, and scaled."""

from dataclasses import dataclass, replace
from typing import Any

from adapter.rules.expression import Aggregation, Arithmetic, Call, Expression, Number, Selector

_FOLDS = {"sum": "sum", "avg": "mean", "max": "max", "min": "min"}


@dataclass(frozen=True, slots=True)
class Shape:
    """A rule's fields as a configuration writes them; *by* is what the expression groups by, None where it does not say."""

    selector: Selector
    measure: str | dict[str, Any] = "latest"
    reduce: str = "single"
    by: tuple[str, ...] | None = None
    factor: float = 1.0


def of(parsed: Expression | None) -> Shape | None:
    """Return what *parsed* is as a rule of ours, or None when it needs PromQL."""
    match parsed:
        case Arithmetic(operator="*", left=inner, right=Number(value)) | Arithmetic(operator="*", left=Number(value), right=inner):
            shape = of(inner)
            return replace(shape, factor=shape.factor * value) if shape is not None else None
        case Arithmetic(operator="/", left=inner, right=Number(value)) if value:
            shape = of(inner)
            return replace(shape, factor=shape.factor / value) if shape is not None else None
        case Aggregation(operation=operation, inner=inner, by=by) if operation in _FOLDS:
            shape = _measured(inner)
            return replace(shape, reduce=_FOLDS[operation], by=by) if shape is not None else None
        case Call(
            function="histogram_quantile",
            arguments=(Number(q), Aggregation(operation="sum", by=by, inner=Call("rate", (Selector() as buckets,)))),
        ) if by is not None and "le" in by and buckets.range_s and buckets.name.endswith("_bucket"):
            selector = replace(buckets, name=buckets.name.removesuffix("_bucket"), range_s=None)
            measure = {"quantile": q, "window": _duration(buckets.range_s)}
            return Shape(selector, measure, "max", tuple(label for label in by if label != "le"))
        case None:
            return None
        case _:
            return _measured(parsed)


def _measured(parsed: Expression) -> Shape | None:
    match parsed:
        case Selector(range_s=None):
            return Shape(parsed)
        case Call(function="rate" | "increase" as function, arguments=(Selector(range_s=float(window_s)) as counter,)):
            # increase(x[w]) is rate(x[w]) over the window instead of over a second.
            factor = window_s if function == "increase" else 1.0
            return Shape(replace(counter, range_s=None), {"rate": _duration(window_s)}, factor=factor)
        case _:
            return None


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
