"""Quantities are exact, canonical, and never zero by mistake."""

import decimal
import math
import re
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from adapter import quantity
from adapter.quantity import QuantityError

WIDE = decimal.Context(prec=2000)
MILLI = Decimal("0.001")
CANONICAL = re.compile(r"0|-?[1-9][0-9]*(?:[numkMGTPE]|e[1-9][0-9]*)?")

FLOATS = st.floats(min_value=-quantity.MAX_MAGNITUDE, max_value=quantity.MAX_MAGNITUDE)
# Where rounding is hard: halves of a thousandth, as near as a float comes to them, and the floats beside those.
NEAR_TIES = st.builds(
    lambda halves, towards: math.nextafter(halves / 2000, towards),
    st.integers(min_value=-(10**12), max_value=10**12),
    st.sampled_from([-math.inf, 0.0, math.inf]),
)
TIES = st.integers(min_value=-(10**9), max_value=10**9).map(lambda sixteenths: sixteenths / 16)
SERVED = FLOATS | NEAR_TIES | TIES | st.integers(min_value=-(10**15), max_value=10**15).map(float)

NANOS = st.integers(min_value=-(10**40), max_value=10**40).map(lambda nanos: WIDE.scaleb(Decimal(nanos), -9))
LARGE = st.builds(
    lambda digits, zeros: Decimal((0, (1, *digits), zeros)), st.lists(st.integers(0, 9), max_size=20), st.integers(0, 900)
)
FINER_THAN_NANO = st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000, places=14)


# Laws of what is served.


@given(SERVED)
@example(0.0005)  # 0.0005000000000000000104…: over the tie
@example(0.0015)  # 0.0015000000000000000312…
@example(1.0005)  # 1.000499999999999989…: under the tie
@example(2.5e-4)
@example(5e-324)
@example(quantity.MAX_MAGNITUDE)
def test_a_float_is_rounded_half_even_to_milli_from_its_exact_value(value: float) -> None:
    exact = Decimal(value).quantize(MILLI, rounding=decimal.ROUND_HALF_EVEN, context=WIDE)

    assert quantity.parse(quantity.from_float(value)) == exact
    assert quantity.from_float(value) == quantity.canonical(exact)


@given(SERVED)
def test_what_is_served_has_no_fraction_and_the_largest_suffix(value: float) -> None:
    text = quantity.from_float(value)

    assert CANONICAL.fullmatch(text)
    assert not re.fullmatch(r"-?[0-9]+000[mkMGTP]?", text)


@given(SERVED, SERVED)
def test_a_larger_float_is_never_a_smaller_quantity(left: float, right: float) -> None:
    low, high = sorted((left, right))

    assert quantity.parse(quantity.from_float(low)) <= quantity.parse(quantity.from_float(high))


@given(SERVED)
def test_a_negative_float_mirrors_its_positive(value: float) -> None:
    assert quantity.parse(quantity.from_float(-value)) == -quantity.parse(quantity.from_float(value))


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_float_that_no_reader_can_take_is_refused_and_never_zero(value: float) -> None:
    assume(not abs(value) <= quantity.MAX_MAGNITUDE)

    with pytest.raises(QuantityError, match="is not a quantity"):
        quantity.from_float(value)


# Laws of reading and printing.


@given(NANOS | LARGE)
def test_what_is_printed_reads_back_as_the_same_value(value: Decimal) -> None:
    assert quantity.parse(quantity.canonical(value)) == value


@given(NANOS | LARGE | FINER_THAN_NANO)
def test_the_canonical_form_is_the_canonical_form_of_itself(value: Decimal) -> None:
    text = quantity.canonical(value)

    assert CANONICAL.fullmatch(text)
    assert quantity.canonical(quantity.parse(text)) == text


@given(FINER_THAN_NANO)
def test_what_is_finer_than_nano_grows_away_from_zero_by_less_than_one(value: Decimal) -> None:
    growth = abs(quantity.parse(quantity.canonical(value))) - abs(value)

    assert 0 <= growth < Decimal("1e-9")


@given(NANOS)
def test_neither_precision_nor_rounding_of_the_caller_changes_a_quantity(value: Decimal) -> None:
    text = quantity.canonical(value)

    with decimal.localcontext(decimal.Context(prec=1, rounding=decimal.ROUND_DOWN)):
        assert quantity.canonical(value) == text
        assert quantity.canonical(quantity.parse(text)) == text


@given(st.text(alphabet="0159.+-eEnumkMGTPKi ", max_size=12))
def test_a_text_is_a_quantity_exactly_if_the_grammar_says_so(text: str) -> None:
    grammar = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]?|[KMGTPE]i|[eE][+-]?[0-9]+)"
    small = not re.search(r"[eE][+-]?[0-9]{3}", text)
    assume(small)

    try:
        quantity.parse(text)
    except QuantityError:
        assert not re.fullmatch(grammar, text)
    else:
        assert re.fullmatch(grammar, text)


# Examples.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (10.0, "10"),
        (999.0, "999"),
        (1000.0, "1k"),
        (1001.0, "1001"),
        (1500.0, "1500"),  # 1.5k has a fraction
        (10_000.0, "10k"),
        (1_000_000.0, "1M"),
        (2_500_000.0, "2500k"),
        (1e9, "1G"),
        (1e12, "1T"),
        (1e15, "1P"),
        (9.2e15, "9200T"),  # 9.2P has a fraction
        (9007199254740993.0, "9007199254740992"),  # 2^53 + 1 is no float: the float is 2^53
        (1.5, "1500m"),
        (0.3, "300m"),
        (0.999, "999m"),
        (0.9996, "1"),  # 999.6m rounds to 1000m
        (999.9996, "1k"),
        (0.25, "250m"),
        (0.0625, "62m"),  # 62.5m: a tie, to even
        (0.1875, "188m"),  # 187.5m: a tie, to even
        (0.0004, "0"),
        (0.0006, "1m"),
        (-1.5, "-1500m"),
        (-0.0625, "-62m"),
        (-1000.0, "-1k"),
        (-0.0001, "0"),
        (4_503_599_627_370_495.5, "4503599627370495500m"),  # 2^52 - 0.5: the largest float that is no integer
    ],
)
def test_a_float_is_served_in_the_canonical_form(value: float, text: str) -> None:
    assert quantity.from_float(value) == text


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 9.3e15, -9.3e15, math.nextafter(9.2e15, math.inf), 1e308])
def test_the_refusal_of_a_float_names_the_value_and_the_remedy(value: float) -> None:
    with pytest.raises(QuantityError, match="serve it as missing") as refused:
        quantity.from_float(value)

    assert str(refused.value).startswith(f"{value} is not a quantity")
    assert isinstance(refused.value, ValueError)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("5", "5"),
        ("+5", "5"),
        ("-5", "-5"),
        ("00.500", "0.5"),
        ("5.", "5"),
        (".5", "0.5"),
        ("5.k", "5000"),
        (".5k", "500"),
        ("1n", "0.000000001"),
        ("1u", "0.000001"),
        ("1500m", "1.5"),
        ("1k", "1e3"),
        ("1M", "1e6"),
        ("1G", "1e9"),
        ("1T", "1e12"),
        ("1P", "1e15"),
        ("1E", "1e18"),  # exa
        ("1E3", "1000"),  # exponent
        ("1e3", "1000"),
        ("1E+3", "1000"),
        ("1e-3", "0.001"),
        ("1.5e1", "15"),
        ("0e5", "0"),
        ("1e00000000000000000003", "1000"),
        ("1Ki", "1024"),
        ("1.5Gi", "1610612736"),  # 1.5 × 2^30
        ("0.1Ki", "102.4"),
        ("-1Mi", "-1048576"),
        ("1Ti", "1099511627776"),
        ("1Pi", "1125899906842624"),
        ("7Ei", "8070450532247928832"),  # 7 × 2^60
        ("8Ei", "9223372036854775807"),  # 2^63 is capped
        ("-8Ei", "-9223372036854775807"),
        ("8E", "8e18"),  # decimal ones are not
        ("18446744073709551616", "18446744073709551616"),
        ("0.9n", "1e-9"),
        ("-0.9n", "-1e-9"),
        ("1.0000000001", "1.000000001"),
        ("1e-999999999", "1e-9"),
        ("1e999", "1e999"),
    ],
)
def test_a_quantity_is_read_as_its_exact_value(text: str, value: str) -> None:
    assert quantity.parse(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no digits"),
        ("+", "no digits"),
        ("-", "no digits"),
        (".", "no digits"),
        ("k", "no digits"),
        ("-.m", "no digits"),
        ("e3", "no digits"),
        ("NaN", "no digits"),
        ("Infinity", "no digits"),
        ("-inf", "no digits"),
        ("aoeu", "no digits"),
        ("--1", "no digits"),
        (" 1", "no digits"),
        ("٣", "no digits"),
        (".5i", "'i' is no suffix"),
        ("1 ", "' ' is no suffix"),
        ("1\n", "is no suffix"),
        (" 1 ", "no digits"),
        ("2 Gi", "' Gi' is no suffix"),
        ("1_000", "'_000' is no suffix"),
        ("1,5", "',5' is no suffix"),
        ("1.1.M", "'.M' is no suffix"),
        ("1+1.0M", "'+1.0M' is no suffix"),
        ("0.1mi", "'mi' is no suffix"),
        ("0.1am", "'am' is no suffix"),
        ("1K", "'K' is no suffix"),
        ("1ki", "'ki' is no suffix"),
        ("1kB", "'kB' is no suffix"),
        ("1kk", "'kk' is no suffix"),
        ("1e", "'e' is no suffix"),
        ("1e+", "'e+' is no suffix"),
        ("-3.01e-", "'e-' is no suffix"),
        ("1e1.5", "'e1.5' is no suffix"),
        ("1e3k", "'e3k' is no suffix"),
        ("1Ee3", "'Ee3' is no suffix"),
        ("1e٣", "is no suffix"),
        ("0x10", "'x10' is no suffix"),
        ("1e1000", "too large"),
        ("1e2000000000", "more than 9 digits"),
        ("1e-2000000000", "more than 9 digits"),
        ("9" * 1001, "too large"),
        ("9" * 1001 + "Ki", "too large"),
    ],
)
def test_a_text_that_is_no_quantity_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(QuantityError) as refused:
        quantity.parse(text)

    assert said in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0"),
        ("-0.000", "0"),
        ("1.2345", "1234500u"),
        ("0.1", "100m"),
        ("100", "100"),
        ("1e20", "100E"),
        ("1.5e21", "1500E"),  # 1500 × 10^18: one suffix more would need a fraction
        ("1e21", "1e21"),  # no suffix beyond exa
        ("1e22", "10e21"),
        ("-1e24", "-1e24"),
        ("1e-10", "1n"),
        ("-1e-30", "-1n"),
        ("0.0000000011", "2n"),
    ],
)
def test_a_decimal_prints_as_the_api_server_would_print_it(value: str, text: str) -> None:
    assert quantity.canonical(Decimal(value)) == text


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity", "1e1000"])
def test_a_decimal_that_is_no_quantity_is_refused(value: str) -> None:
    with pytest.raises(QuantityError, match="quantity"):
        quantity.canonical(Decimal(value))
