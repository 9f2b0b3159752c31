"""A command on a terminal of its own, as a person has it: what it shows there, and Ctrl-C."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Screen:
    """What a running command has written so far."""

    process: "subprocess.Popen[bytes]"
    _master: int
    _written: bytearray = field(default_factory=bytearray)

    @property
    def text(self) -> str:
        """Return all of it, with what moves the cursor."""
        return self._written.decode(errors="replace")

    def until(self, words: str, *, deadline_s: float = 30.0, since: int = 0) -> None:
        """Read until *words* are written after the first *since* characters; fail if they never are."""
        give_up = time.monotonic() + deadline_s
        while words not in self.text[since:]:
            assert time.monotonic() < give_up, f"{words!r} is not shown: {self.text[since:]!r}"
            self._read(0.2)

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._master, key.encode())

    def ended(self, *, deadline_s: float = 15.0) -> int:
        """Return the exit status once it has ended, with everything read that it has written."""
        give_up = time.monotonic() + deadline_s
        while self.process.poll() is None:
            assert time.monotonic() < give_up, f"it does not end: {self.text!r}"
            self._read(0.1)
        while self._read(0.1):
            pass
        return self.process.returncode

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # nobody holds the other end any more
            return False
        self._written += piece
        return bool(piece)


@contextlib.contextmanager
def running(command: Sequence[str], environment: Mapping[str, str], *, columns: int = 200, rows: int = 50) -> Iterator[Screen]:
    """Run *command* on a terminal of this size; it has ended when the context is left."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    # Rich believes these before it believes the terminal.
    plain = {name: value for name, value in environment.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**plain, "TERM": "xterm-256color"},
        start_new_session=True,
        preexec_fn=_take_the_terminal,  # noqa: PLW1509 - system calls, which wait for no lock
    )
    os.close(slave)
    try:
        yield Screen(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


def _take_the_terminal() -> None:
    """Have Ctrl-C be for this process, and heard by it: where a shell runs the tests in the background, they ignore it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
