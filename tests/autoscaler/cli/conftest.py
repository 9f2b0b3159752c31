"""The `leadtime` command, run as a user runs it but in this process."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autoscaler.cli import main
from tests.autoscaler.cli import apiserver


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    status: int
    out: str
    err: str


Leadtime = Callable[..., Ran]


@pytest.fixture
def leadtime(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Leadtime:
    """Return a function that runs the command with some arguments."""
    # Help is printed for a terminal of this width, whatever runs the tests.
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["leadtime", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main.run()
        printed = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else int(code is not None), printed.out, printed.err)

    return run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[apiserver.Server]:
    """Yield an API server without any object."""
    with apiserver.serve(tmp_path) as world:
        yield world


@pytest.fixture
def ask(leadtime: Leadtime, server: apiserver.Server) -> Leadtime:
    """Return a function that runs the command on that server."""

    def run(*arguments: str) -> Ran:
        return leadtime(*arguments, "--kubeconfig", server.kubeconfig)

    return run
