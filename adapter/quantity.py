"""Kubernetes quantities: the only spelling of a number that the metrics API has.

Every value that we serve is written here, and every quantity that a user writes is read here. A quantity is an exact decimal
with a suffix; what is written is the canonical DecimalSI form, byte for byte as API machinery writes it: no fraction digits,
and the largest suffix that loses nothing. The float that a source measured is rounded once, on its way in.

Reference: ``k8s.io/apimachinery/pkg/api/resource`` (Quantity). Where it is lenient to the point of guessing (``+`` and ``k``
are zero there), this module refuses.
"""

import decimal
import re
from decimal import Decimal

from adapter.errors import AdapterError

#: The largest magnitude that readers can take: HPA keeps 1000 × the value in an int64, and 9.2e18 < 2^63.
MAX_MAGNITUDE = 9.2e15

_DECIMAL_SUFFIXES = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_SUFFIXES = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIX_OF_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL_SUFFIXES.items()}
_SUFFIX_OF_THOUSANDS = ("", "k", "M", "G", "T", "P", "E")

_QUANTITY = re.compile(r"(?P<number>[+-]?(?P<whole>[0-9]*)(?:\.(?P<fraction>[0-9]*))?)(?P<suffix>.*)", re.DOTALL)
_EXPONENT = re.compile(r"[eE](?P<exponent>[+-]?[0-9]+)")

_NANO = Decimal("1e-9")
_MAX_BINARY = Decimal(2**63 - 1)
_MIN_BINARY = Decimal(1 - 2**63)
# No quantity has a thousand digits; a hostile 1e2000000000 would take the memory of the machine in whoever makes an int of it.
_MAX_DIGITS = 1000
_MAX_EXPONENT_DIGITS = 9
# Results here have at most a few thousand digits more than the text, so that this precision is never allocated.
_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


class QuantityError(AdapterError, ValueError):
    """A number that no quantity can carry, or a text that is not a quantity; the message names it, the rule and the remedy."""


def from_float(value: float) -> str:
    """Return *value* as a canonical quantity, rounded half to even to a thousandth.

    The rounding is that of the exact binary value, so 0.0005 (which is a little more than that) becomes ``1m`` and 0.0625
    ``62m``. Raise `QuantityError` for NaN, for the infinities, and past ±`MAX_MAGNITUDE`.
    """
    if not -MAX_MAGNITUDE <= value <= MAX_MAGNITUDE:  # NaN compares false too
        raise QuantityError(
            f"{value} is not a quantity: readers take finite numbers up to ±{MAX_MAGNITUDE:g}; serve it as missing, with a reason"
        )
    numerator, denominator = value.as_integer_ratio()
    if denominator == 1:
        return _from_int(numerator)
    milli, rest = divmod(1000 * numerator, denominator)
    rest += rest
    if rest > denominator or (rest == denominator and milli & 1):
        milli += 1
    if milli % 1000:
        return f"{milli}m"
    return _from_int(milli // 1000)


def _from_int(units: int) -> str:
    """Return *units*, below 10^21 in magnitude, with the largest suffix that divides them."""
    if not units or units % 1000:
        return str(units)
    thousands = 0
    while units % 1000 == 0:
        units //= 1000
        thousands += 1
    return f"{units}{_SUFFIX_OF_THOUSANDS[thousands]}"


def canonical(value: Decimal) -> str:
    """Return *value* in the canonical DecimalSI form; what is finer than nano is rounded away from zero, as API machinery does.

    From 10^21 on there is no suffix, and the exponent is written: ``1e21``. Raise `QuantityError` for NaN, for the infinities
    and from 10^1000 on.
    """
    if not value.is_finite():
        raise QuantityError(f"{value} is not a quantity: only finite numbers are; serve it as missing, with a reason")
    rounded = _rounded(value, said=str(value))
    mantissa = "".join(map(str, rounded.as_tuple().digits)).rstrip("0")
    if not mantissa:
        return "0"
    exponent = rounded.adjusted() - (len(mantissa) - 1)
    padding = exponent % 3
    exponent -= padding
    suffix = _SUFFIX_OF_EXPONENT.get(exponent, f"e{exponent}")
    return f"{'-' if rounded < 0 else ''}{mantissa}{'0' * padding}{suffix}"


def parse(text: str) -> Decimal:
    """Return the exact value of the quantity *text*; what is finer than nano is rounded away from zero.

    The grammar is a sign, digits with an optional fraction, and one suffix: decimal (n u m k M G T P E), binary (Ki Mi Gi Ti
    Pi Ei, capped at 2^63-1 as API machinery caps it) or an exponent. ``1E`` is exa, ``1E3`` is a thousand. Raise
    `QuantityError` with what is wrong otherwise, and from 10^1000 on.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None or not (match["whole"] or match["fraction"]):
        raise QuantityError(
            f"{_quoted(text)} is not a quantity: it has no digits where the number should stand; write 1500m or 1.5"
        )
    number, suffix = match["number"], match["suffix"]
    if suffix in _DECIMAL_SUFFIXES:
        return _rounded(Decimal(f"{number}e{_DECIMAL_SUFFIXES[suffix]}"), said=text)
    if suffix in _BINARY_SUFFIXES:
        value = _rounded(_EXACT.multiply(Decimal(number), 1 << _BINARY_SUFFIXES[suffix]), said=text)
        return max(_MIN_BINARY, min(value, _MAX_BINARY))
    written = _EXPONENT.fullmatch(suffix)
    if written is None:
        raise QuantityError(
            f"{_quoted(text)} is not a quantity: {_quoted(suffix)} is no suffix; it is nothing, one of n u m k M G T P E, "
            "one of Ki Mi Gi Ti Pi Ei, or an exponent such as e3, without spaces"
        )
    exponent = written["exponent"]
    if len(exponent.lstrip("+-0")) > _MAX_EXPONENT_DIGITS:
        raise QuantityError(f"{_quoted(text)} is not a quantity: its exponent has more than {_MAX_EXPONENT_DIGITS} digits")
    return _rounded(Decimal(f"{number}e{exponent}"), said=text)


def _rounded(value: Decimal, *, said: str) -> Decimal:
    """Return *value* in steps of a nano, rounded away from zero; refuse what is too large, calling it by what the user *said*."""
    if not value:
        return Decimal(0)
    if value.adjusted() >= _MAX_DIGITS:
        raise QuantityError(f"{_quoted(said)} is too large for a quantity: it has to stay below 1e{_MAX_DIGITS}")
    rounded = value.quantize(_NANO, rounding=decimal.ROUND_UP, context=_EXACT)
    return value if rounded == value else rounded


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 64 else f"{text[:63]}…")
