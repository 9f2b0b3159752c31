"""What is read of PromQL, and what is left alone."""

import pytest

from adapter.rules import expression
from adapter.rules.expression import Aggregation, Arithmetic, Call, Number, Selector


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("up", Selector("up")),
        ("vllm:num_requests_waiting", Selector("vllm:num_requests_waiting")),
        ("x{}", Selector("x")),
        ("""x{a="1", b!='2'}""", Selector("x", (("a", "=", "1"), ("b", "!=", "2")))),
        ("""x{c=~`3.*`, d!~"4",}""", Selector("x", (("c", "=~", "3.*"), ("d", "!~", "4")))),
        (r'x{a="q\"uo\\te\n"}', Selector("x", (("a", "=", 'q"uo\\te\n'),))),
        ('{__name__="x"}', Selector("", (("__name__", "=", "x"),))),
        ("rate(x[5m])", Call("rate", (Selector("x", range_s=300.0),))),
        ("rate(x[1h30m])", Call("rate", (Selector("x", range_s=5400.0),))),
        ("sum(x) by (a, b)", Aggregation("sum", Selector("x"), ("a", "b"))),
        ("sum by (a) (x)", Aggregation("sum", Selector("x"), ("a",))),
        ("max(x)", Aggregation("max", Selector("x"))),
        ("sum by () (x)", Aggregation("sum", Selector("x"), ())),
        ("(x + y) / 2", Arithmetic("/", Arithmetic("+", Selector("x"), Selector("y")), Number(2.0))),
        ("a - b * c", Arithmetic("-", Selector("a"), Arithmetic("*", Selector("b"), Selector("c")))),
        ("histogram_quantile(0.99, x)", Call("histogram_quantile", (Number(0.99), Selector("x")))),
        ("time()", Call("time", ())),
        ("1e3", Number(1000.0)),
    ],
)  # fmt: skip
def test_simple_expressions_are_read(text: str, read: expression.Expression) -> None:
    assert expression.parse(text) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x offset 5m",
        "x[5m:1m]",
        "sum(x) without (a)",
        "x * on (pod) group_left y",
        "x > 5",
        "x or y",
        'x{a="1"',
        "x{a=1}",
        "x{1=2}",
        "rate(x[5m]",
        "sum(x) by (a",
        "sum(x) by (1)",
        "-x",
        "x y",
        "x{a='1' b='2'}",
        "@",
        "(" * 5000,
    ],
)
def test_what_is_beyond_it_is_left_alone(text: str) -> None:
    assert expression.parse(text) is None
