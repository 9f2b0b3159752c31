"""`docs/simulation.md` says what the simulator assumes: its defaults, and the kinds of load that it makes."""

import re
from pathlib import Path

from autoscaler.simulation import generate, world

PAGE = Path("docs/simulation.md").read_text(encoding="utf-8")


def test_the_defaults_are_those_of_the_model() -> None:
    written = re.findall(r"^\| `(\w+)\.(\w+)` \| ([\d.]+) \|", PAGE, flags=re.MULTILINE)

    assert len(written) >= 15
    for name, field, value in written:
        assert getattr(getattr(world, name)(), field) == float(value), f"{name}.{field}"


def test_every_kind_of_made_load_is_told_in_its_own_words() -> None:
    assert {kind: sentence for kind, sentence in generate.KINDS.items() if f"| `{kind}` | {sentence} |" not in PAGE} == {}
