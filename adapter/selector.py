"""Label selectors: which labels a reader asks for, in the string grammar and the object form of API machinery.

HPA, kubectl and the scale subresource send selectors as text; objects carry them as a LabelSelector. Both become one frozen
`Selector`, checked when it is made, that prints the canonical text and matches labels without I/O. The text comes from the
network: its length is bounded, and parsing is linear in it.

Reference: ``k8s.io/apimachinery/pkg/labels``. The one difference is a NUL character, which there can end a selector and
hide what follows: here it is refused.
"""

import enum
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, assert_never

from adapter.errors import AdapterError

#: The longest selector that `parse` reads, in characters: far above any workload's, far below what would stall an answer.
MAX_LENGTH = 8 * 1024


class SelectorError(AdapterError, ValueError):
    """A selector is refused; the message says where, which rule, and what to write instead."""


class Operator(enum.Enum):
    """How a requirement compares, as the text spells it; `EXISTS` is a key alone."""

    EQUALS = "="
    DOUBLE_EQUALS = "=="
    NOT_EQUALS = "!="
    IN = "in"
    NOT_IN = "notin"
    GREATER_THAN = ">"
    LESS_THAN = "<"
    EXISTS = "exists"
    DOES_NOT_EXIST = "!"


_Test = Callable[[str | None], bool]  # is given the label's value, or None where the label is absent


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label: ``key operator values``. The values are kept sorted, each once.

    `EQUALS`, `DOUBLE_EQUALS`, `NOT_EQUALS`, `GREATER_THAN` and `LESS_THAN` take one value, `IN` and `NOT_IN` at least one,
    `EXISTS` and `DOES_NOT_EXIST` none; the empty string is a value. Raise `SelectorError` for anything else.
    """

    key: str
    operator: Operator
    values: tuple[str, ...] = ()
    _test: _Test = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(sorted(set(self.values))))
        _check_key(self.key)
        for value in self.values:
            _check_value(self.key, value)
        object.__setattr__(self, "_test", _test_of(self))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether *labels* meet the condition; ``!=`` and ``notin`` are met by labels without the key."""
        return self._test(labels.get(self.key))

    def __str__(self) -> str:
        match self.operator:
            case Operator.EXISTS:
                return self.key
            case Operator.DOES_NOT_EXIST:
                return f"!{self.key}"
            case Operator.IN | Operator.NOT_IN:
                return f"{self.key} {self.operator.value} ({','.join(self.values)})"
            case _:
                return f"{self.key}{self.operator.value}{self.values[0]}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Requirements that labels have to meet, all of them; kept sorted by key. Without any it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "requirements", tuple(sorted(self.requirements, key=lambda each: each.key)))

    @property
    def everything(self) -> bool:
        """Return whether the selector selects whatever there is."""
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Return whether *labels* meet every requirement."""
        for requirement in self.requirements:  # noqa: SIM110 -- a generator costs as much as the matching
            if not requirement.matches(labels):
                return False
        return True

    def __str__(self) -> str:
        return ",".join(map(str, self.requirements))


def parse(text: str) -> Selector:
    """Return the selector that *text* spells; blank text selects everything.

    Requirements are separated by commas: ``key``, ``!key``, ``key=value`` (or ``==``), ``key!=value``, ``key in (a,b)``,
    ``key notin (a,b)``, ``key>1``, ``key<1``. An omitted value is the empty string. Raise `SelectorError` for anything else,
    with the position (in characters, from 0) of what is wrong.
    """
    if len(text) > MAX_LENGTH:
        raise SelectorError(
            f"the selector has {len(text)} characters, and at most {MAX_LENGTH} are read: select by fewer labels or values"
        )
    return _Parser(text).selector()


def from_label_selector(document: Mapping[str, object]) -> Selector:
    """Return the selector that a LabelSelector *document* (``matchLabels``, ``matchExpressions``) describes.

    An empty document selects everything. A null one selects nothing in Kubernetes, which no `Selector` does: the caller tells
    the two apart. Raise `SelectorError` with the field that is wrong.
    """
    told = _mapping("the label selector", document, allowed=_DOCUMENT_FIELDS)
    labels = _mapping("matchLabels", told.get("matchLabels"))
    expressions = _list("matchExpressions", told.get("matchExpressions"))
    return Selector(
        (
            *(_requirement("matchLabels", key, Operator.EQUALS, (value,)) for key, value in labels.items()),
            *(_expression(f"matchExpressions[{index}]", each) for index, each in enumerate(expressions)),
        )
    )


# What a requirement may be.

_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_INTEGER = re.compile(r"[+-]?0*(?P<digits>[0-9]{1,19})")  # no more: int() refuses very long texts, and 2^63 has 19 digits
_MAX_NAME = 63
_MAX_SUBDOMAIN = 253
_NAME_RULE = "letters, digits, '-', '_' and '.', with a letter or digit at both ends"


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if slash and not (len(prefix) <= _MAX_SUBDOMAIN and _SUBDOMAIN.fullmatch(prefix)):
        raise SelectorError(
            f"label key {_quoted(key)}: what stands before its one '/' is a DNS subdomain of at most {_MAX_SUBDOMAIN} "
            "characters, such as example.com/name"
        )
    if not (len(name) <= _MAX_NAME and _NAME.fullmatch(name)):
        raise SelectorError(f"label key {_quoted(key)}: its name has 1 to {_MAX_NAME} characters, {_NAME_RULE}")


def _check_value(key: str, value: str) -> None:
    if value and not (len(value) <= _MAX_NAME and _NAME.fullmatch(value)):
        raise SelectorError(
            f"value {_quoted(value)} of label {_quoted(key)}: a label's value is empty or has at most {_MAX_NAME} characters, "
            f"{_NAME_RULE}"
        )


def _test_of(requirement: Requirement) -> _Test:
    """Return what decides *requirement*, made once because it runs for every pod; refuse a wrong number of values."""
    operator, values = requirement.operator, requirement.values
    match operator:
        case Operator.EQUALS | Operator.DOUBLE_EQUALS:
            wanted = _only(requirement)
            return lambda value: value == wanted
        case Operator.NOT_EQUALS:
            unwanted = _only(requirement)
            return lambda value: value != unwanted
        case Operator.IN | Operator.NOT_IN:
            if not values:
                raise SelectorError(f"{operator.value!r} on label {_quoted(requirement.key)} has no values: give at least one")
            listed = frozenset(values)
            if operator is Operator.IN:
                return lambda value: value in listed
            return lambda value: value not in listed
        case Operator.GREATER_THAN:
            floor = _bound(requirement)
            return lambda value: (number := _int64(value)) is not None and number > floor
        case Operator.LESS_THAN:
            ceiling = _bound(requirement)
            return lambda value: (number := _int64(value)) is not None and number < ceiling
        case Operator.EXISTS | Operator.DOES_NOT_EXIST:
            if values:
                raise SelectorError(f"{operator.value!r} on label {_quoted(requirement.key)} takes no values: leave them out")
            present = operator is Operator.EXISTS
            return lambda value: (value is not None) is present
        case _:
            assert_never(operator)


def _only(requirement: Requirement) -> str:
    if len(requirement.values) != 1:
        raise SelectorError(
            f"{requirement.operator.value!r} on label {_quoted(requirement.key)} has {len(requirement.values)} values, "
            "and takes one: use 'in' or 'notin' for several"
        )
    return requirement.values[0]


def _bound(requirement: Requirement) -> int:
    bound = _int64(_only(requirement))
    if bound is None:
        raise SelectorError(
            f"value {_quoted(requirement.values[0])} of label {_quoted(requirement.key)}: {requirement.operator.value!r} "
            "compares with an integer of 64 bits; write one, such as 5"
        )
    return bound


def _int64(text: str | None) -> int | None:
    """Return the integer that *text* spells in decimal, or None for anything else and for what 64 bits do not hold."""
    if text is None:
        return None
    match = _INTEGER.fullmatch(text)
    if match is None:
        return None
    magnitude = int(match["digits"])
    number = -magnitude if text.startswith("-") else magnitude
    return number if -(2**63) <= number < 2**63 else None


# The text.

# The search skips the space between tokens; a pattern that took it in would read a long run of it again from each place.
_TOKEN = re.compile(r"(?P<symbol>[=!]=|[=!(),<>])|(?P<word>[^ \t\r\n=!(),<>]+)")
_BINARY = {operator.value: operator for operator in Operator if operator not in (Operator.EXISTS, Operator.DOES_NOT_EXIST)}


_SEPARATE = "separate requirements by single commas, and write alternatives as key in (a,b)"


class _Token(NamedTuple):
    text: str  # empty at the end of the selector
    position: int
    is_word: bool


class _Parser:
    """Recursive descent over the tokens; no token is read twice. ``in`` and ``notin`` are words wherever no operator can stand."""

    def __init__(self, text: str) -> None:
        self._tokens = [_Token(match[0], match.start(), match.lastgroup == "word") for match in _TOKEN.finditer(text)]
        self._tokens.append(_Token("", len(text), is_word=False))
        self._next = 0

    def selector(self) -> Selector:
        requirements: list[Requirement] = []
        if self._peek().text:
            requirements.append(self._requirement())
            while (token := self._take()).text:
                if token.text != ",":
                    raise _unexpected(token, "',' and another requirement, or nothing", _SEPARATE)
                requirements.append(self._requirement())
        return Selector(tuple(requirements))

    def _requirement(self) -> Requirement:
        token = self._take()
        negated = token.text == "!"
        key = self._take() if negated else token
        if not key.is_word:
            raise _unexpected(key, "a label key", _SEPARATE)
        operator, values = self._condition(negated=negated)
        try:
            return Requirement(key.text, operator, values)
        except SelectorError as exc:
            raise SelectorError(f"position {token.position}: {exc}") from exc

    def _condition(self, *, negated: bool) -> tuple[Operator, tuple[str, ...]]:
        if negated:
            return Operator.DOES_NOT_EXIST, ()
        if self._peek().text in ("", ","):
            return Operator.EXISTS, ()
        token = self._take()
        operator = _BINARY.get(token.text)
        if operator is None:
            raise _unexpected(token, f"one of {' '.join(_BINARY)}", "write key=value or key in (a,b)")
        if operator in (Operator.IN, Operator.NOT_IN):
            return operator, self._values()
        if self._peek().text in ("", ","):
            return operator, ("",)
        value = self._take()
        if not value.is_word:
            raise _unexpected(value, f"a value after {token.text!r}", "write a label's value, or nothing for the empty one")
        return operator, (value.text,)

    def _values(self) -> tuple[str, ...]:
        opening = self._take()
        if opening.text != "(":
            raise _unexpected(opening, "'('", "write the values as (a,b)")
        values: list[str] = []
        while True:
            values.append(self._take().text if self._peek().is_word else "")
            token = self._take()
            if token.text == ")":
                return tuple(values)
            if token.text != ",":
                raise _unexpected(token, "',' or ')'", "write the values as (a,b)")

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token


def _unexpected(token: _Token, rule: str, remedy: str) -> SelectorError:
    found = f"found {_quoted(token.text)}" if token.text else "the selector ends"
    return SelectorError(f"position {token.position}: {found} where {rule} is expected; {remedy}")


# The document.

_DOCUMENT_FIELDS = ("matchLabels", "matchExpressions")
_EXPRESSION_FIELDS = ("key", "operator", "values")
_EXPRESSION_OPERATORS = {
    "In": Operator.IN,
    "NotIn": Operator.NOT_IN,
    "Exists": Operator.EXISTS,
    "DoesNotExist": Operator.DOES_NOT_EXIST,
}


def _expression(path: str, told: object) -> Requirement:
    expression = _mapping(path, told, allowed=_EXPRESSION_FIELDS)
    name = expression.get("operator")
    operator = _EXPRESSION_OPERATORS.get(name) if isinstance(name, str) else None
    if operator is None:
        raise SelectorError(f"{path}.operator is {_quoted(name)}: it is one of {', '.join(_EXPRESSION_OPERATORS)}")
    return _requirement(path, expression.get("key"), operator, _list(f"{path}.values", expression.get("values")))


def _requirement(path: str, key: object, operator: Operator, values: Collection[object]) -> Requirement:
    texts = tuple(value for value in values if isinstance(value, str))
    if not isinstance(key, str) or len(texts) != len(values):
        raise SelectorError(f"{path}: label {_quoted(key)} has a key or a value that is no string: put it in quotes")
    try:
        return Requirement(key, operator, texts)
    except SelectorError as exc:
        raise SelectorError(f"{path}: {exc}") from exc


def _mapping(path: str, told: object, *, allowed: Collection[str] | None = None) -> Mapping[str, object]:
    """Return *told* as a mapping, empty where an optional one is absent; refuse fields that are not *allowed*."""
    if told is None and allowed is None:
        return {}
    if not isinstance(told, Mapping):
        raise SelectorError(f"{path} is {_quoted(told)}: it is a mapping; write {{}} for an empty one")
    unknown = [name for name in told if allowed is not None and name not in allowed]
    if unknown:
        # Ignoring a misspelt `matchlabels` would select everything.
        raise SelectorError(f"{path} has the unknown field {_quoted(unknown[0])}: its fields are {', '.join(allowed or ())}")
    return told


def _list(path: str, told: object) -> Collection[object]:
    """Return *told* as a collection, empty where it is absent."""
    if told is None:
        return ()
    if not isinstance(told, list | tuple):
        raise SelectorError(f"{path} is {_quoted(told)}: it is a list; write [] for an empty one")
    return told


def _quoted(told: object) -> str:
    text = repr(told)
    return text if len(text) <= 80 else f"{text[:79]}…"
