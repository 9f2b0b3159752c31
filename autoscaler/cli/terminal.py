"""Words from a cluster on a terminal: whoever may create an object there must not move the reader's cursor, or paint for them."""

import json as _json
import sys
import unicodedata

#: Marks that reorder or hide what stands around them, in a terminal that heeds them.
_FORMAT = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


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


def json(document: object) -> str:
    """Return *document* as JSON in ASCII: what is no printable letter is escaped there too."""
    return _json.dumps(document, indent=2)


def _spelled(char: str) -> str:
    if char in "\n\r\t":
        return " "
    return char.encode("unicode_escape", "backslashreplace").decode() if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
