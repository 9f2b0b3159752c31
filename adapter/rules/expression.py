"""Read the PromQL that simple rules are written in: selectors, calls, aggregations and arithmetic with them.

It exists to recognise expressions that a rule of ours can say by itself. Anything beyond (subqueries, offsets, vector matching)
is not an error but unread, and stays the PromQL that it is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

AGGREGATIONS = frozenset(
    {"sum", "avg", "max", "min", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile", "count_values"}
)

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)
      | (?P<range>\[\s*(?:\d+(?:ms|[smhdwy]))+\s*\])
      | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.]))
      | (?P<name>[a-zA-Z_:][\w:]*)
      | (?P<op>=~|!~|!=|[-+*/(){},=])
    )""",
    re.VERBOSE,
)
_AMOUNT = re.compile(r"(\d+)(ms|[smhdwy])")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True, slots=True)
class Selector:
    """A series by name and conditions (label, operator, value); *range_s* is set for a range vector."""

    name: str
    matchers: tuple[tuple[str, str, str], ...] = ()
    range_s: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A function of its arguments."""

    function: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """An aggregation; *by* is None where the expression has no ``by`` clause."""

    operation: str
    inner: "Expression"
    by: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Two expressions and one of ``+ - * /`` between them."""

    operator: str
    left: "Expression"
    right: "Expression"


Expression = Number | Selector | Call | Aggregation | Arithmetic


class _UnreadError(Exception):
    """The expression is outside of what this module reads."""


def parse(text: str) -> Expression | None:
    """Return the expression that *text* is, or None when it is beyond this reader."""
    try:
        reader = _Reader(list(_tokens(text)))
        expression = reader.sum()
        reader.end()
    except (_UnreadError, RecursionError):
        return None
    return expression


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise _UnreadError
        yield match.lastgroup, match[match.lastgroup]
        position = match.end()


class _Reader:
    """Recursive descent, one method for each level of precedence."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._position = 0

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._position += 1
        return token

    def _taken(self, text: str) -> bool:
        if self._peek() == ("op", text):
            self._position += 1
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._taken(text):
            raise _UnreadError

    def end(self) -> None:
        if self._peek()[0] != "end":
            raise _UnreadError

    def sum(self) -> Expression:
        left = self._product()
        while self._peek() in (("op", "+"), ("op", "-")):
            left = Arithmetic(self._next()[1], left, self._product())
        return left

    def _product(self) -> Expression:
        left = self._one()
        while self._peek() in (("op", "*"), ("op", "/")):
            left = Arithmetic(self._next()[1], left, self._one())
        return left

    def _one(self) -> Expression:
        kind, text = self._next()
        if kind == "number":
            return Number(float(text))
        if (kind, text) == ("op", "("):
            inner = self.sum()
            self._need(")")
            return inner
        if (kind, text) == ("op", "{"):
            return self._selector("")
        if kind != "name":
            raise _UnreadError
        if text in AGGREGATIONS and self._peek() in (("op", "("), ("name", "by")):
            return self._aggregation(text)
        if self._taken("("):
            return Call(text, tuple(self._arguments()))
        return self._selector(text, braces=self._taken("{"))

    def _arguments(self) -> Iterator[Expression]:
        if self._taken(")"):
            return
        yield self.sum()
        while self._taken(","):
            yield self.sum()
        self._need(")")

    def _aggregation(self, operation: str) -> Aggregation:
        by = self._by()
        self._need("(")
        inner = self.sum()
        self._need(")")
        return Aggregation(operation, inner, by if by is not None else self._by())

    def _by(self) -> tuple[str, ...] | None:
        if self._peek() != ("name", "by"):
            return None
        self._next()
        self._need("(")
        labels: list[str] = []
        while not self._taken(")"):
            kind, text = self._next()
            if kind != "name":
                raise _UnreadError
            labels.append(text)
            if self._peek() != ("op", ")"):
                self._need(",")
        return tuple(labels)

    def _selector(self, name: str, *, braces: bool = True) -> Selector:
        matchers: list[tuple[str, str, str]] = []
        while braces and not self._taken("}"):
            kind, label = self._next()
            operator, (value_kind, value) = self._next()[1], self._next()
            if kind != "name" or operator not in {"=", "!=", "=~", "!~"} or value_kind != "string":
                raise _UnreadError
            matchers.append((label, operator, _unquoted(value)))
            if self._peek() != ("op", "}"):
                self._need(",")
        range_s = None
        if self._peek()[0] == "range":
            range_s = sum(int(amount) * _SECONDS[unit] for amount, unit in _AMOUNT.findall(self._next()[1]))
        return Selector(name, tuple(matchers), range_s)


def _unquoted(literal: str) -> str:
    if literal[0] == "`":
        return literal[1:-1]
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), literal[1:-1])
