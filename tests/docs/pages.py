"""The pages of the documentation as data: their blocks of code, their headings with anchors, their links.

README is a page too: it is read on the repository's own site, the others there and in the site that `mkdocs.yml` makes.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>.*)$")
_TITLE = re.compile(r'\btitle="([^"]+)"')
_HEADING = re.compile(r"^#{1,6} +(.+?)(?: +#+)?$")
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
_CODE = re.compile(r"(`+)(?:(?!\1).)+?\1", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of code: what it says it is, and where it stands."""

    page: str  # below the repository's root
    line: int  # of its first fence, from 1
    language: str  # empty where it does not say
    title: str  # the name of the file that it shows, if it says so
    text: str

    def __str__(self) -> str:
        """Return where it stands, as editors open it."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Page:
    """One page."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Return its path below the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Return its fenced blocks in their order."""
        return _blocks(self)

    @property
    def prose(self) -> str:
        """Return it without its fenced blocks."""
        return "\n".join(line for _, line in _prose(self.text))

    @property
    def anchors(self) -> frozenset[str]:
        """Return what a link may name behind ``#``."""
        seen: dict[str, int] = {}
        for _, line in _prose(self.text):
            if found := _HEADING.match(line):
                anchor = slug(found[1])
                seen[anchor] = seen.get(anchor, 0) + 1
        return frozenset(name if not count else f"{name}-{count}" for name, times in seen.items() for count in range(times))

    @property
    def links(self) -> tuple[str, ...]:
        """Return the targets of its links, as they are written."""
        return tuple(found["target"] for found in _LINK.finditer(_CODE.sub("", self.prose)))


@cache
def everything() -> tuple[Page, ...]:
    """Return README and every page below `docs`."""
    files = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return tuple(Page(file, file.read_text(encoding="utf-8")) for file in files)


def blocks(*languages: str) -> tuple[Block, ...]:
    """Return every block of these *languages*, of all pages."""
    return tuple(block for page in everything() for block in page.blocks if block.language in languages)


def page(name: str) -> Page:
    """Return the page *name*, below the repository's root."""
    return next(each for each in everything() if each.name == name)


def slug(heading: str) -> str:
    """Return the anchor of *heading*, as the repository's site and ours both make it.

    >>> slug("`leadtime compare`, or: what it costs")
    'leadtime-compare-or-what-it-costs'
    """
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").replace("*", "")
    kept = "".join(letter for letter in unicodedata.normalize("NFC", plain).lower() if letter.isalnum() or letter in " -_")
    return kept.strip().replace(" ", "-")


def _prose(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside of fences with their numbers."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            yield number, line


@cache
def _blocks(page: Page) -> tuple[Block, ...]:
    return tuple(_fenced(page))


def _fenced(page: Page) -> Iterator[Block]:
    opened: tuple[int, str, str] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.text.splitlines(), start=1):
        found = _FENCE.match(line)
        if found is None:
            lines.append(line)
        elif opened is None:
            opened, lines = (number, found["indent"], found["info"].strip()), []
        else:
            begun, indent, info = opened
            language, _, rest = info.partition(" ")
            title = _TITLE.search(rest)
            text = "".join(f"{each.removeprefix(indent)}\n" for each in lines)
            yield Block(page.name, begun, language, title[1] if title else "", text)
            opened, lines = None, []
    if opened is not None:
        raise ValueError(f"{page.name}:{opened[0]}: a block of code is not closed")
