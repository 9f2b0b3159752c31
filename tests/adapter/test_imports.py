"""What of a library is loaded: the parts that are used."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapter import imports

FRONT = "from storefront import heavy\nheavy.loaded = True\n"


@pytest.fixture
def storefront(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have a package whose front page imports all of it, one part of which needs what is not there."""
    package = tmp_path / "storefront"
    package.mkdir()
    for name, text in {"__init__": FRONT, "heavy": "", "light": "value = 1\n", "broken": "import nowhere_at_all\n"}.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "storefront"]:
        del sys.modules[name]


@pytest.mark.usefixtures("storefront")
def test_a_package_that_is_entered_loads_the_part_that_is_asked_for_and_no_other() -> None:
    imports.enter("storefront")

    assert importlib.import_module("storefront.light").value == 1
    assert "storefront.heavy" not in sys.modules


@pytest.mark.usefixtures("storefront")
def test_whoever_asks_the_package_itself_for_another_part_gets_it() -> None:
    imports.enter("storefront")

    package = importlib.import_module("storefront")

    assert package.heavy is sys.modules["storefront.heavy"]
    with pytest.raises(AttributeError, match="module 'storefront' has no attribute 'nothing'"):
        _ = package.nothing
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        _ = package.broken


@pytest.mark.usefixtures("storefront")
def test_a_package_that_is_there_already_stays_as_it_is() -> None:
    before = importlib.import_module("storefront")

    imports.enter("storefront")

    assert sys.modules["storefront"] is before
    assert before.heavy.loaded


def test_what_is_not_installed_cannot_be_entered() -> None:
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        imports.enter("nowhere_at_all")


@pytest.mark.usefixtures("storefront")
def test_what_others_do_without_is_not_found_in_the_block_and_found_after_it() -> None:
    with imports.without("storefront"), pytest.raises(ImportError):
        importlib.import_module("storefront")

    assert importlib.import_module("storefront").heavy.loaded


@pytest.mark.usefixtures("storefront")
def test_what_is_loaded_already_is_found_in_the_block_too() -> None:
    before = importlib.import_module("storefront")

    with imports.without("storefront"):
        assert importlib.import_module("storefront") is before

    assert sys.modules["storefront"] is before
