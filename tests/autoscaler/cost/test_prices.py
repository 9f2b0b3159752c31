"""The file of prices: read strictly, and every problem of it named at once."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapter.errors import ConfigError, Problem
from autoscaler.cost import prices
from autoscaler.cost.hardware import Capacity, Hardware

GOOD = """\
currency: EUR
prices:
  NVIDIA-H100-80GB-HBM3: { on-demand: 6.88, spot: 2.5 }
  nvidia-l4: 0.71
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        prices.parse(text)
    return [str(problem) for problem in refused.value.problems]


def test_a_product_has_a_price_for_each_way_of_buying_it_or_one_for_all() -> None:
    found = prices.parse(GOOD)

    assert found.currency == "EUR"
    assert found.of(Hardware("NVIDIA-H100-80GB-HBM3", Capacity.ON_DEMAND)) == 6.88
    assert found.of(Hardware("NVIDIA-H100-80GB-HBM3", Capacity.SPOT)) == 2.5
    assert {found.of(Hardware("nvidia-l4", capacity)) for capacity in Capacity} == {0.71}


def test_what_has_no_price_has_none_and_never_that_of_something_like_it() -> None:
    found = prices.parse(GOOD)

    assert found.of(Hardware("NVIDIA-H100-80GB-HBM3", Capacity.UNKNOWN)) is None
    assert found.of(Hardware("NVIDIA-H100", Capacity.SPOT)) is None
    assert found.of(Hardware()) is None


def test_every_problem_is_named_at_once_with_its_line() -> None:
    text = """\
currency: euro
curency: EUR
prices:
  NVIDIA H100: { on-demand: -3.5, sport: 1.2 }
  nvidia-l4: "0.71"
  nothing: {}
  free: 0
  maybe: true
  more: .inf
  yearly: { spot: 200000 }
  twice: 1
  twice: 2
"""

    assert problems(text) == [
        "line 1, currency: is no currency: write its three capital letters, such as USD or EUR",
        "line 2, curency: is not a known field: check its spelling",
        "line 4, prices.NVIDIA H100: is no product: it stands here as the node's label spells it",
        "line 4, prices.NVIDIA H100.on-demand: must be greater than 0",
        "line 4, prices.NVIDIA H100.sport: is not a known field: check its spelling",
        "line 5, prices.nvidia-l4: must be a number",
        "line 6, prices.nothing: has no price: give on-demand, spot or unknown, or leave the product out",
        "line 7, prices.free: must be greater than 0",
        "line 8, prices.maybe: must be a number",
        "line 9, prices.more: must be a finite number",
        "line 10, prices.yearly.spot: must be less than or equal to 100000",
        "line 12, prices.twice: stands twice: keep one",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must be a mapping"),
        ("currency: EUR", "line 1, prices: is missing"),
        ("currency: EUR\nprices: {}", "line 2, prices: names no product: give the price of one at least"),
        ("currency: EUR\nprices: {100: 1}", "line 2, prices.100: must be text: put it in quotes"),
        ("currency: [EUR", "line 1: is not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)
def test_a_file_that_is_wrong_as_a_whole_says_how(text: str, said: str) -> None:
    assert problems(text) == [said]


def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prices\.yaml: cannot be read"):
        prices.load(tmp_path / "prices.yaml")


def outcome(text: str) -> tuple[prices.Prices | None, tuple[Problem, ...]]:
    """Return the prices in *text*, or what is wrong with it; anything else that is raised is a defect."""
    try:
        return prices.parse(text), ()
    except ConfigError as refused:
        return None, refused.problems


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@given(st.fixed_dictionaries({}, optional={"currency": _json | st.just("EUR"), "prices": _json, "more": _json}))
def test_whatever_stands_in_the_file_every_price_is_positive_and_every_problem_has_its_line(told: dict[str, Any]) -> None:
    found, refused = outcome(yaml.safe_dump(told))

    assert (found is None) == bool(refused)
    assert all(problem.line for problem in refused)
    assert found is None or all(0.0 < price <= 100_000.0 for price in found.per_hour.values())


@given(st.dictionaries(st.from_regex(r"[A-Za-z][-A-Za-z0-9]{0,20}[A-Za-z0-9]", fullmatch=True), st.floats(0.01, 1e5), min_size=1))
def test_what_was_written_is_what_is_read(told: dict[str, float]) -> None:
    found = prices.parse(yaml.safe_dump({"currency": "USD", "prices": told}))

    assert {of.gpu: price for of, price in found.per_hour.items()} == told
