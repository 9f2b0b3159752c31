"""What GPUs cost: a file with a price per GPU-hour for each product and way of buying it.

Everything that is wrong with a file is reported at once, with its line, and a file with a problem is refused whole. Where it has no
price there is none: nothing is taken from a like product, and nothing costs zero because nobody said what it costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pydantic
import pydantic_core

from adapter import entries, errors, schema, yamltext
from autoscaler.cost.hardware import Capacity, Hardware

_PRODUCT = r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"  # what a label's value may be
_DEAREST = 100_000.0  # per GPU-hour: what is more was meant for a year, or for a machine


@dataclass(frozen=True, slots=True)
class Prices:
    """Money per GPU-hour, all in one currency."""

    currency: str
    per_hour: Mapping[Hardware, float]

    def of(self, hardware: Hardware) -> float | None:
        """Return the price of one hour, or None where there is none."""
        return self.per_hour.get(hardware)


_Price = Annotated[float, pydantic.Field(gt=0.0, le=_DEAREST, strict=True)]


class _ByCapacity(schema.Entry):
    """The price of a product by how it was bought; what is left out has none."""

    on_demand: Annotated[_Price | None, pydantic.Field(alias="on-demand")] = None
    spot: _Price | None = None
    unknown: _Price | None = None

    @pydantic.model_validator(mode="after")
    def _some(self) -> "_ByCapacity":
        if not self.by_capacity():
            raise ValueError("has no price: give on-demand, spot or unknown, or leave the product out")
        return self

    def by_capacity(self) -> dict[Capacity, float]:
        told = {Capacity.ON_DEMAND: self.on_demand, Capacity.SPOT: self.spot, Capacity.UNKNOWN: self.unknown}
        return {capacity: price for capacity, price in told.items() if price is not None}


_OneOrSeveral = Annotated[
    Annotated[_Price, pydantic.Tag("<price>")] | Annotated[_ByCapacity, pydantic.Tag("<capacities>")],
    pydantic.Discriminator(lambda value: "<capacities>" if isinstance(value, Mapping | _ByCapacity) else "<price>"),
]


class _File(schema.Entry):
    currency: Annotated[str, pydantic.Field(pattern=r"^[A-Z]{3}$")]
    prices: Annotated[
        dict[Annotated[str, pydantic.Field(pattern=_PRODUCT)], _OneOrSeveral],
        pydantic.Field(min_length=1),
    ]


def load(path: Path) -> Prices:
    """Return what the file at *path* says.

    Raises:
        ConfigError: the file cannot be read, or anything in it is wrong; it lists every problem.

    """
    return parse(yamltext.of(path), file=str(path))


def parse(text: str, *, file: str = "prices") -> Prices:
    """Return what *text* (YAML) says; *file* is what problems call it.

    Raises:
        ConfigError: anything in it is wrong; it lists every problem.

    """
    document = yamltext.read(text, file=file)
    problems = list(document.problems)
    told: _File | None = None
    try:
        told = _File.model_validate(document.content)
    except pydantic.ValidationError as error:
        problems += [document.problem(*_what(detail)) for detail in error.errors(include_url=False)]
    if told is None or problems:
        raise errors.ConfigError(file, sorted(problems, key=lambda problem: problem.line or 0))
    return Prices(told.currency, dict(_listed(told)))


def _listed(told: _File) -> list[tuple[Hardware, float]]:
    found: list[tuple[Hardware, float]] = []
    for gpu, price in told.prices.items():
        by_capacity = price.by_capacity() if isinstance(price, _ByCapacity) else dict.fromkeys(Capacity, price)
        found += [(Hardware(gpu, capacity), each) for capacity, each in by_capacity.items()]
    return found


def _what(detail: pydantic_core.ErrorDetails) -> entries.What:
    """Return where a problem of pydantic's stands and what it is, in the words of this file."""
    where, message = entries.what(detail)
    place = tuple(map(str, where))  # a product that YAML takes for a number is still a key
    if detail["type"] == "too_short":
        return place, "names no product: give the price of one at least"
    if detail["type"] == "string_pattern_mismatch":
        if place == ("currency",):
            return place, "is no currency: write its three capital letters, such as USD or EUR"
        return place, "is no product: it stands here as the node's label spells it"
    return place, message
