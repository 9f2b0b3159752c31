"""The page's files: all of them ours, none with anything inline, and none that makes markup of text."""

import re

import pytest

from autoscaler.page import assets

FILES = assets.load()
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))


def text(name: str) -> str:
    return FILES[name].body.decode()


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name in FILES:
        addresses = set(re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}[^\s\"')]*", text(name)))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name


def test_the_document_has_no_script_and_no_style_of_its_own() -> None:
    index = text(assets.INDEX)

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", index)
    files = re.findall(r"(?:src|href)=\"(static/[^\"]+)\"", index)
    assert {each.removeprefix("static/") for each in files} <= FILES.keys()


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(name: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\b|new Function|srcdoc"
    )

    assert not re.search(forbidden, text(name))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_module_that_is_imported_is_there(name: str) -> None:
    assert set(re.findall(r"from \"\./([^\"]+)\"", text(name))) <= FILES.keys()


def test_every_script_is_used() -> None:
    used = set(re.findall(r"static/([a-z]+\.js)", text(assets.INDEX)))
    used |= {each for name in SCRIPTS for each in re.findall(r"from \"\./([^\"]+)\"", text(name))}

    assert used == set(SCRIPTS)


def test_all_of_it_is_small() -> None:
    assert sum(len(each.body) for each in FILES.values()) < 100_000


def test_two_files_have_two_tags() -> None:
    assert len({each.tag for each in FILES.values()}) == len(FILES)
