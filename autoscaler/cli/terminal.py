"""What is printed, for whoever reads it, and from whomever it is.

Words from a cluster are plain: whoever may create an object there must not move the reader's cursor, or paint for them. Where no
terminal is, lines are as long as they are: whoever searches them finds whole names.
"""

import json as _json
import sys
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Marks that reorder or hide what stands around them, in a terminal that heeds them.
_FORMAT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

#: Wider than anything that is printed.
UNBOUNDED = 1_000_000


def plain(text: object) -> str:
    """Return *text* in one line; every character that is not printed as itself is spelled out, as Python would."""
    return "".join(char if unicodedata.category(char) not in _FORMAT else _spelled(char) for char in str(text))


def tell(*lines: object) -> None:
    """Print each of *lines* plainly."""
    for line in lines:
        print(plain(line))


def complain(*lines: object) -> None:
    """Print each of *lines* plainly on standard error."""
    for line in lines:
        print(plain(line), file=sys.stderr)


def there() -> bool:
    """Return whether standard output is a terminal."""
    return sys.stdout.isatty()


def console() -> "Console":
    """Return the console of standard output. Where that is no terminal it has no edge: nothing is wrapped, folded or cut."""
    from rich.console import Console

    return Console(width=None if there() else UNBOUNDED, highlight=False, markup=False, emoji=False)


def show(*parts: "RenderableType") -> None:
    """Print *parts* on standard output; what is wider than a terminal goes on in its next line, and is not cut."""
    from rich.console import Group

    console().print(Group(*parts), crop=False)


def json(document: object) -> str:
    """Return *document* as JSON in ASCII: what is no printable letter is escaped there too."""
    return _json.dumps(document, indent=2)


def _spelled(char: str) -> str:
    if char in "\n\r\t":
        return " "
    return char.encode("unicode_escape", "backslashreplace").decode() if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
