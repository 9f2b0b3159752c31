"""`mkdocs.yml`: every page is in its navigation, and nothing is loaded from elsewhere. `tests/integration` builds it."""

from collections.abc import Iterator
from typing import Any

import yaml

from tests.docs import pages


class _Loader(yaml.SafeLoader):
    """Reads the file without making the Python objects that it names."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, suffix, _node: suffix)
CONFIG: dict[str, Any] = yaml.load((pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506
#: The purposes, in the order in which a newcomer meets them.
SECTIONS = ["Start", "How-to", "Reference", "Explanation", "Runbooks", "Operate", "Decisions"]


def named(entries: list[Any]) -> Iterator[str]:
    """Yield the files of a navigation."""
    for entry in entries:
        if isinstance(entry, str):
            yield entry
        else:
            for below in entry.values():
                yield from named(below if isinstance(below, list) else [below])


def test_every_page_is_in_the_navigation_once_and_no_other() -> None:
    found = list(named(CONFIG["nav"]))

    assert sorted(found) == sorted(file.relative_to(pages.DOCS).as_posix() for file in pages.DOCS.rglob("*.md"))


def test_the_navigation_is_by_purpose() -> None:
    assert [next(iter(section)) for section in CONFIG["nav"]] == SECTIONS


def test_every_runbook_is_under_runbooks() -> None:
    (runbooks,) = [section["Runbooks"] for section in CONFIG["nav"] if "Runbooks" in section]

    assert all(name.startswith("runbooks/") or name == "alerts.md" for name in named(runbooks))


def test_nothing_is_loaded_from_elsewhere() -> None:
    assert CONFIG["theme"]["font"] is False
    assert CONFIG["extra"]["generator"] is False
    assert CONFIG["strict"] is True
    assert not {"extra_javascript", "hooks"} & CONFIG.keys()
    assert [name for name in CONFIG["extra_css"] if not (pages.DOCS / name).is_file()] == []
    assert CONFIG["plugins"] == ["search"]
