"""`docs/cost.md` says which labels are read, and its prices and those of the example can be read."""

import re
from pathlib import Path

import pytest

from autoscaler.cost import account, hardware, prices
from autoscaler.cost.hardware import Capacity, Hardware

PAGE = Path("docs/cost.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (`[^|]+`) \|([^|]*)\|([^|]*)\|$", flags=re.MULTILINE)


def test_every_label_that_names_a_product_is_on_the_page_in_its_order() -> None:
    table = PAGE.partition("| label | written by |")[2].partition("\n\n")[0]

    assert tuple(re.findall(r"`([^`]+)`", table)) == hardware.PRODUCT_LABELS


@pytest.mark.parametrize("row", _ROW.findall(PAGE.partition("| label | `spot` |")[2].partition("\n\n")[0]))
def test_every_value_means_what_the_page_says(row: tuple[str, str, str]) -> None:
    labels, spot, on_demand = (re.findall(r"`([^`]+)`", cell) for cell in row)

    for label in labels:
        assert {hardware.of({label: value}).capacity for value in spot} <= {Capacity.SPOT}
        assert {hardware.of({label: value}).capacity for value in on_demand} <= {Capacity.ON_DEMAND}
    assert spot


def test_the_table_of_capacities_has_every_label_that_is_read() -> None:
    table = _ROW.findall(PAGE.partition("| label | `spot` |")[2].partition("\n\n")[0])

    labels = [label for row in table for label in re.findall(r"`([^`]+)`", row[0])]
    assert labels == [label for label, _ in hardware._CAPACITIES]


def test_the_prices_on_the_page_and_of_the_example_can_be_read() -> None:
    (shown,) = re.findall(r"```yaml\n(currency.*?)```", PAGE, flags=re.DOTALL)

    for found in (prices.parse(shown), prices.load(Path("manifests/examples/prices.yaml"))):
        assert found.of(Hardware("NVIDIA-H100-80GB-HBM3", Capacity.SPOT)) == 2.5
        assert found.of(Hardware("NVIDIA-L40S", Capacity.UNKNOWN)) == 0.55


def test_the_gap_that_is_not_made_up_is_as_long_as_the_page_says() -> None:
    assert f"more than {account.LONGEST_GAP_S:g} s away" in " ".join(PAGE.split())
