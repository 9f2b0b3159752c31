"""The site, built as `make docs` builds it, with every way out of the machine shut."""

import os
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT

_BUILD = """
import socket, sys

def shut(*_):
    raise AssertionError("the build wants the net")

socket.socket.connect = socket.getaddrinfo = shut
from mkdocs.__main__ import cli
cli(["build", "--strict", "--clean", "--site-dir", sys.argv[1]])
"""


def build(folder: Path) -> Path:
    """Build the site into *folder* and return it; `AssertionError` with what was said at the first warning."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "NO_MKDOCS_2_WARNING": "1", "LC_ALL": "C.UTF-8"}
    command = [sys.executable, "-c", _BUILD, str(folder)]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr, ran.stderr
    return folder
