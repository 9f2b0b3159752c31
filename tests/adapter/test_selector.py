"""Label selectors read, print and match as API machinery's do."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter import selector
from adapter.selector import Operator, Requirement, Selector, SelectorError
from tests.adapter import selector_cases

# Few keys and values, so that labels and requirements meet often; words of the grammar among them.
KEYS = st.sampled_from(["x", "y", "in", "notin", "example.com/x"])
VALUES = st.sampled_from(["", "a", "b", "in", "notin", "0", "1", "2", "007", "10", "a.b"])
INTEGERS = st.sampled_from(["0", "1", "2", "007", "10", "9223372036854775807"])
LABELS = st.dictionaries(KEYS, VALUES | st.sampled_from(["-1", "+2", "9223372036854775808", "1.5"]))
SPACE = st.text(alphabet=" \t\r\n", max_size=2)

NAMES = st.from_regex(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", fullmatch=True)
PREFIXES = st.from_regex(r"([a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?\.){0,3}[a-z0-9]{1,20}", fullmatch=True)
ANY_KEYS = NAMES | st.builds("{}/{}".format, PREFIXES, NAMES)


@st.composite
def requirements(draw: st.DrawFn, keys: st.SearchStrategy[str] = KEYS, values: st.SearchStrategy[str] = VALUES) -> Requirement:
    key, operator = draw(keys), draw(st.sampled_from(Operator))
    match operator:
        case Operator.EXISTS | Operator.DOES_NOT_EXIST:
            return Requirement(key, operator)
        case Operator.IN | Operator.NOT_IN:
            return Requirement(key, operator, tuple(draw(st.lists(values, min_size=1, max_size=4))))
        case Operator.GREATER_THAN | Operator.LESS_THAN:
            return Requirement(key, operator, (draw(INTEGERS),))
        case _:
            return Requirement(key, operator, (draw(values),))


def selectors(some: st.SearchStrategy[Requirement]) -> st.SearchStrategy[Selector]:
    return st.lists(some, max_size=5).map(lambda found: Selector(tuple(found)))


def brute_force(wanted: Selector, labels: Mapping[str, str]) -> bool:
    """Decide by the sentences of the documentation, one after the other."""
    return all(brute_force_one(requirement, labels) for requirement in wanted.requirements)


def brute_force_one(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    present = requirement.key in labels
    value = labels.get(requirement.key, "")
    match requirement.operator:
        case Operator.EXISTS:
            return present
        case Operator.DOES_NOT_EXIST:
            return not present
        case Operator.EQUALS | Operator.DOUBLE_EQUALS | Operator.IN:
            return present and any(value == each for each in requirement.values)
        case Operator.NOT_EQUALS | Operator.NOT_IN:
            return not present or all(value != each for each in requirement.values)
        case Operator.GREATER_THAN | Operator.LESS_THAN:
            try:
                number, bound = int(value), int(requirement.values[0])
            except ValueError:
                return False
            if not present or number >= 2**63:
                return False
            return number > bound if requirement.operator is Operator.GREATER_THAN else number < bound


# Laws.


@given(selectors(requirements()))
def test_what_is_printed_parses_to_the_same_selector(wanted: Selector) -> None:
    assert selector.parse(str(wanted)) == wanted


@given(requirements(ANY_KEYS, NAMES | st.just("")))
def test_every_key_and_value_that_the_rules_allow_is_read_back(wanted: Requirement) -> None:
    assert selector.parse(str(wanted)).requirements == (wanted,)


@given(selectors(requirements()), LABELS)
def test_a_match_agrees_with_a_brute_force_evaluation(wanted: Selector, labels: dict[str, str]) -> None:
    assert wanted.matches(labels) is brute_force(wanted, labels)


@given(st.lists(requirements(), min_size=1, max_size=4, unique_by=lambda each: each.key), st.data())
def test_neither_space_nor_order_changes_what_is_selected(wanted: list[Requirement], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(wanted))
    spaced = (data.draw(SPACE) + str(each) + data.draw(SPACE) for each in shuffled)

    assert selector.parse(",".join(spaced)) == Selector(tuple(wanted))


@given(st.text(alphabet="xyin not=!<>(),5-/ \t\x00é", max_size=30))
def test_any_text_is_either_refused_or_a_selector_that_prints_its_canonical_form(text: str) -> None:
    try:
        wanted = selector.parse(text)
    except SelectorError as refused:
        assert str(refused).startswith("position ")  # noqa: PT017 -- the other branch is as good
    else:
        assert str(selector.parse(str(wanted))) == str(wanted)


@given(requirements(), requirements(), LABELS)
def test_a_comma_means_and(left: Requirement, right: Requirement, labels: dict[str, str]) -> None:
    assert selector.parse(f"{left},{right}").matches(labels) is (left.matches(labels) and right.matches(labels))


@given(KEYS, st.lists(VALUES, min_size=1), LABELS)
def test_notin_is_the_opposite_of_in(key: str, values: list[str], labels: dict[str, str]) -> None:
    listed = f"({','.join(values)})"

    assert selector.parse(f"{key} in {listed}").matches(labels) is not selector.parse(f"{key} notin {listed}").matches(labels)


# The table.


@pytest.mark.parametrize(("text", "printed"), selector_cases.PARSED)
def test_a_selector_prints_in_canonical_form(text: str, printed: str) -> None:
    assert str(selector.parse(text)) == printed


@pytest.mark.parametrize(("text", "position", "said"), selector_cases.REFUSED)
def test_a_text_that_is_no_selector_is_refused_with_its_place_and_the_rule(text: str, position: int, said: str) -> None:
    with pytest.raises(SelectorError) as refused:
        selector.parse(text)

    assert str(refused.value).startswith(f"position {position}: ")
    assert said in str(refused.value)


@pytest.mark.parametrize(("text", "labels", "matches"), selector_cases.MATCHES)
def test_a_selector_matches_as_the_api_server_would(text: str, labels: Mapping[str, str], matches: bool) -> None:
    assert selector.parse(text).matches(labels) is matches


def test_the_table_has_no_row_twice() -> None:
    texts = [row[0] for row in (*selector_cases.PARSED, *selector_cases.REFUSED)]

    assert len(set(texts)) == len(texts)


# Everything.


def test_only_the_empty_selector_selects_everything() -> None:
    assert selector.parse("").everything
    assert Selector().everything
    assert not selector.parse("x").everything


def test_equal_selectors_are_equal_keys_of_a_cache() -> None:
    assert len({selector.parse("b in (y,x),a"), selector.parse("a, b in (x,y,x)")}) == 1


# Hostile texts.


def test_a_nul_is_refused_and_hides_nothing() -> None:
    for text in ("\x00", "x\x00", "x=a\x00", "x=a,\x00y=b", "x=a \x00,!y", "x in (a\x00)"):
        with pytest.raises(SelectorError):
            selector.parse(text)


def test_a_selector_past_the_limit_is_refused_and_one_at_the_limit_is_read() -> None:
    longest = "x in (" + "a," * ((selector.MAX_LENGTH - 7) // 2) + ")"
    longest += " " * (selector.MAX_LENGTH - len(longest))

    assert str(selector.parse(longest)) == "x in (,a)"
    with pytest.raises(
        SelectorError, match=f"the selector has {selector.MAX_LENGTH + 1} characters, and at most {selector.MAX_LENGTH} are read"
    ):
        selector.parse(longest + " ")


@pytest.mark.parametrize("unit", ["(", ")", ",", "!", "=", " ", "a", "a,", "!a,", "a in (", "a=", "-", "a/", "a.", "0", "x>0"])
def test_the_longest_text_of_any_shape_is_decided_in_linear_time(unit: str) -> None:
    text = unit * (selector.MAX_LENGTH // len(unit))
    started = time.process_time()

    for shape in (text, f"x in ({text}"[: selector.MAX_LENGTH], f"x={text}"[: selector.MAX_LENGTH]):
        try:
            selector.parse(shape)
        except SelectorError as refused:
            assert len(str(refused)) < 400  # noqa: PT017 -- a selector of that shape may be a good one

    assert time.process_time() - started < 10.0  # what is quadratic takes 4e9 steps here: minutes


def test_a_match_against_thousands_of_values_is_one_look_up() -> None:
    requirement = Requirement("x", Operator.IN, tuple(map(str, range(10_000))))  # more than a text may hold
    wanted = Selector((requirement,))
    started = time.process_time()

    assert not any(wanted.matches({"x": "absent"}) for _ in range(10_000))
    assert time.process_time() - started < 1.0  # a search through the values is 1e8 comparisons: several seconds


# Requirements made by hand.


@pytest.mark.parametrize(
    ("operator", "values", "said"),
    [
        (Operator.EQUALS, (), "has 0 values, and takes one"),
        (Operator.DOUBLE_EQUALS, ("a", "b"), "has 2 values, and takes one"),
        (Operator.NOT_EQUALS, ("a", "b"), "has 2 values, and takes one"),
        (Operator.GREATER_THAN, (), "has 0 values, and takes one"),
        (Operator.LESS_THAN, ("1", "2"), "has 2 values, and takes one"),
        (Operator.IN, (), "has no values"),
        (Operator.NOT_IN, (), "has no values"),
        (Operator.EXISTS, ("a",), "takes no values"),
        (Operator.DOES_NOT_EXIST, ("",), "takes no values"),
        (Operator.GREATER_THAN, ("bar",), "compares with an integer"),
    ],
)
def test_an_operator_with_the_wrong_values_cannot_be_made(operator: Operator, values: tuple[str, ...], said: str) -> None:
    with pytest.raises(SelectorError, match=said):
        Requirement("x", operator, values)


# LabelSelector documents.


@pytest.mark.parametrize(
    ("document", "printed"),
    [
        ({}, ""),
        ({"matchLabels": {}, "matchExpressions": []}, ""),
        ({"matchLabels": None, "matchExpressions": None}, ""),
        ({"matchLabels": {"app": "web"}}, "app=web"),
        ({"matchLabels": {"b": "1", "a": ""}}, "a=,b=1"),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": ["b", "a"]}]}, "x in (a,b)"),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": [""]}]}, "x in ()"),
        ({"matchExpressions": [{"key": "x", "operator": "NotIn", "values": ["a"]}]}, "x notin (a)"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}]}, "x"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists", "values": []}]}, "x"),
        ({"matchExpressions": [{"key": "x", "operator": "DoesNotExist", "values": None}]}, "!x"),
        (
            {
                "matchLabels": {"z": "1"},
                "matchExpressions": [{"key": "a/b", "operator": "Exists"}, {"key": "z", "operator": "Exists"}],
            },
            "a/b,z=1,z",
        ),
    ],
)
def test_a_label_selector_becomes_the_selector_that_it_describes(document: dict[str, object], printed: str) -> None:
    wanted = selector.from_label_selector(document)

    assert str(wanted) == printed
    assert selector.parse(printed) == wanted


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "the label selector is None: it is a mapping"),
        ([], "the label selector is []: it is a mapping"),
        ({"matchlabels": {"a": "b"}}, "unknown field 'matchlabels'"),
        ({"app": "web"}, "unknown field 'app'"),
        ({"matchLabels": ["a=b"]}, "matchLabels is ['a=b']: it is a mapping"),
        ({"matchLabels": {"a": 1}}, "matchLabels: label 'a' has a key or a value that is no string"),
        ({"matchLabels": {"a": None}}, "matchLabels: label 'a' has a key or a value that is no string"),
        ({"matchLabels": {"-a": "b"}}, "matchLabels: label key '-a'"),
        ({"matchLabels": {"a": "b c"}}, "matchLabels: value 'b c' of label 'a'"),
        ({"matchExpressions": {"key": "x"}}, "it is a list"),
        ({"matchExpressions": ["x"]}, "matchExpressions[0] is 'x': it is a mapping"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists"}, {}]}, "matchExpressions[1].operator is None"),
        ({"matchExpressions": [{"key": "x", "operator": "in", "values": ["a"]}]}, "one of In, NotIn, Exists, DoesNotExist"),
        ({"matchExpressions": [{"key": "x", "operator": "Gt", "values": ["1"]}]}, "matchExpressions[0].operator is 'Gt'"),
        ({"matchExpressions": [{"key": "x", "operator": ["In"]}]}, "matchExpressions[0].operator is ['In']"),
        ({"matchExpressions": [{"operator": "Exists"}]}, "matchExpressions[0]: label None"),
        ({"matchExpressions": [{"key": "x", "operator": "In"}]}, "matchExpressions[0]: 'in' on label 'x' has no values"),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": "a"}]}, "matchExpressions[0].values is 'a'"),
        ({"matchExpressions": [{"key": "x", "operator": "In", "values": [1]}]}, "no string"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists", "values": ["a"]}]}, "takes no values"),
        ({"matchExpressions": [{"key": "x", "operator": "Exists", "value": "a"}]}, "unknown field 'value'"),
    ],
)
def test_a_label_selector_that_is_none_is_refused_with_its_field(document: dict[str, object], said: str) -> None:
    with pytest.raises(SelectorError) as refused:
        selector.from_label_selector(document)

    assert said in str(refused.value)


@given(st.dictionaries(KEYS, VALUES), LABELS)
def test_match_labels_match_what_has_all_of_them(wanted: dict[str, str], labels: dict[str, str]) -> None:
    found = selector.from_label_selector({"matchLabels": wanted}).matches(labels)

    assert found is (wanted.items() <= labels.items())
