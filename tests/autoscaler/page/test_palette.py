"""The colours of the page, light and dark: each pair that is read, or told apart, has the contrast of WCAG 2.2's AA."""

import re
from pathlib import Path

import pytest

import autoscaler.page

CSS = (Path(autoscaler.page.__file__).parent / "static" / "page.css").read_text()
PAIRS = {
    name: (light, dark) for name, light, dark in re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", CSS)
}
GROUNDS = ("ground", "surface", "raised", "calm-ground")
#: Text and what it stands on: 4.5 to 1 (1.4.3).
READ = [
    *((text, ground) for text in ("text", "muted", "accent", "good", "bad", "warn") for ground in ("ground", "surface", "raised")),
    ("text", "calm-ground"), ("muted", "calm-ground"), ("bad", "calm-ground"), ("accent", "calm-ground"), ("warn", "warn-ground"),
    ("bad", "bad-ground"), ("good", "good-ground"), ("on-accent", "accent"),
]  # fmt: skip
#: Lines and areas that say something, and what is behind them: 3 to 1 (1.4.11).
SEEN = [
    (name, "surface")
    for name in (
        "serving",
        "warm",
        "starting",
        "desired",
        "bound",
        "offered",
        "forecast",
        "realised",
        *(f"signal-{n}" for n in range(6)),
    )
]


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb``, by WCAG's formula."""
    channels = (int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5))
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_black_on_white_is_21_to_1() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), READ, ids=lambda name: name)
def test_text_can_be_read(text: str, ground: str, scheme: int) -> None:
    assert contrast(PAIRS[text][scheme], PAIRS[ground][scheme]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("mark", "ground"), SEEN, ids=lambda name: name)
def test_what_is_drawn_can_be_seen(mark: str, ground: str, scheme: int) -> None:
    assert contrast(PAIRS[mark][scheme], PAIRS[ground][scheme]) >= 3.0


def test_every_colour_that_is_used_is_named_and_every_one_that_is_named_is_used() -> None:
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", CSS))
    others = {"radius", "mono", "row-height"}

    assert used - others <= PAIRS.keys()
    assert PAIRS.keys() <= used
    rules = CSS[CSS.index("* { box-sizing") :]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", rules), "a colour without a name is one that no test looks at"
