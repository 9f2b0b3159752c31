"""How a process that runs for months imports what others wrote: the parts that it uses, and not what comes along.

A library imports at its front page whatever somebody may want of it. What is loaded that way is never given back, and is waited
for at each start.
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from importlib import util


def enter(name: str) -> None:
    """Have the package *name*, unless it is there already, without running its front page.

    Its parts are imported by their own names from then on, or when somebody asks the package for them. Raises
    `ModuleNotFoundError` when it is not installed.
    """
    if name in sys.modules:
        return
    spec = util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    package = util.module_from_spec(spec)  # and not executed
    vars(package)["__getattr__"] = _part_of(name)
    sys.modules[name] = package


def _part_of(package: str) -> Callable[[str], object]:
    def part(name: str) -> object:
        place = f"{package}.{name}"
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name != place:
                raise
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name) from None

    return part


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Have what is imported in this block find that *name* is not installed, unless it is loaded already.

    For libraries that do without it, and load it where they find it.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # how Python itself says that there is none
    try:
        yield
    finally:
        del sys.modules[name]
