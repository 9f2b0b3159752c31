"""What comes next on the command line of the kubectl plug-in, in the words in which kubectl asks for it.

kubectl runs ``kubectl_complete-leadtime WORD…`` with the words after ``kubectl leadtime``, the last one unfinished or empty, and
reads one candidate a line and then a directive. Who calls `leadtime` itself has typer's own: ``leadtime --install-completion``.
"""

import contextlib
import io
import os
import shlex
import sys

#: No file names: of cobra's directives, the one for "these and nothing else".
_NO_FILES = ":4"


def of_plugin() -> None:
    """Answer kubectl."""
    print(*candidates(sys.argv[1:]), _NO_FILES, sep="\n")


def candidates(words: list[str]) -> list[str]:
    """Return what the last of *words* may become."""
    from autoscaler.cli import main

    words = words or [""]  # kubectl gives none where nothing is typed
    line = ["leadtime", *words]
    asked = {
        "_LEADTIME_COMPLETE": "complete_bash",
        "COMP_WORDS": shlex.join(line[:-1]) + f" {line[-1]}",
        "COMP_CWORD": str(len(words)),
    }
    before = {name: os.environ.get(name) for name in asked}
    told = io.StringIO()
    os.environ.update(asked)
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            main.app(prog_name="leadtime")
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    return told.getvalue().split()
