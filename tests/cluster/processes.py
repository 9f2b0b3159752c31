"""Start programs on loopback, know when they are ready, and leave none behind.

A process that does not come up is reported with the last lines of its own log: "it timed out" helps nobody.
"""

import contextlib
import http.client
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PAUSE_S = 0.05
_REQUEST_S = 2.0
# Below the range from which Linux (32768–60999) and macOS (49152–65535) take the ports of outgoing connections: those cannot
# snatch a port between our choice and the program's bind.
_PORTS = range(20000, 32000)


class ProcessError(Exception):
    """A program exited, or was not ready in time; the message names it and ends with its log's last lines."""


@dataclass(slots=True, kw_only=True)
class Process:
    """A running program and the file that takes its output."""

    name: str
    log: Path
    command: Sequence[str]
    environment: Mapping[str, str] | None
    handle: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.handle.pid

    def running(self) -> bool:
        """Return whether the process has not exited."""
        return self.handle.poll() is None

    def stop(self, *, grace_s: float = 10.0) -> None:
        """Ask the process to end, wait for its exit, and kill it when *grace_s* have passed."""
        if self.running():
            self.handle.send_signal(signal.SIGTERM)
            try:
                self.handle.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """End the process without asking, as a lost node would, and wait for its exit."""
        self.handle.kill()
        self.handle.wait()

    def suspend(self) -> None:
        """Stop the process without ending it: its connections stay open and nobody answers on them, until `resume`."""
        self.handle.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended process go on."""
        self.handle.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """End the process, if it has not ended, and run the same command again, with the same log."""
        self.stop()
        self.handle = _launch(self.command, self.log, self.environment)

    def last_lines(self, count: int = 15) -> str:
        """Return the last *count* lines of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])


def start(name: str, command: Sequence[str | Path], *, folder: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start *command*, with its output in ``folder/name.log``.

    The program gets a session of its own, so that Ctrl-C in the terminal reaches only us and the order of stopping stays ours.
    Where ``setpriv`` exists (Linux) it also ends when the thread that started it does: a killed test run leaves nothing behind.
    """
    words = [str(word) for word in command]
    if setpriv := shutil.which("setpriv"):
        words = [setpriv, "--pdeathsig", "KILL", "--", *words]
    log = folder / f"{name}.log"
    return Process(name=name, log=log, command=words, environment=environment, handle=_launch(words, log, environment))


def wait_ready(
    process: Process, url: str, *, tls: ssl.SSLContext | None = None, deadline_s: float = 60.0, pause_s: float = _PAUSE_S
) -> None:
    """Return once *url* answers 200; raise `ProcessError` when *process* exits first or *deadline_s* have passed.

    It is asked again every *pause_s*.
    """
    give_up = time.monotonic() + deadline_s
    while True:
        answer = _get(url, tls=tls)
        if answer == "200":
            return
        if not process.running():
            raise ProcessError(
                f"{process.name} exited with status {process.handle.returncode}; the end of {process.log}:\n{process.last_lines()}"
            )
        if time.monotonic() >= give_up:
            raise ProcessError(
                f"{process.name} was not ready within {deadline_s:g} s ({url}: {answer}); the end of {process.log}:\n"
                f"{process.last_lines()}"
            )
        time.sleep(pause_s)


def free_ports(count: int) -> list[int]:
    """Return *count* different TCP ports on which nobody listens on loopback."""
    with contextlib.ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(_PORTS, len(_PORTS)):
            listener = held.enter_context(socket.socket())
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise ProcessError(f"no {count} free ports between {_PORTS.start} and {_PORTS.stop - 1} on loopback")


def _launch(command: Sequence[str], log: Path, environment: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )


def _get(url: str, *, tls: ssl.SSLContext | None) -> str:
    """Return the status of a GET, or what went wrong."""
    parts = urllib.parse.urlsplit(url)
    connection = (
        http.client.HTTPConnection(parts.netloc, timeout=_REQUEST_S)
        if tls is None
        else http.client.HTTPSConnection(parts.netloc, timeout=_REQUEST_S, context=tls)
    )
    try:
        connection.request("GET", parts.path)
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()


def run_leadtime(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Return how ``leadtime ARGUMENTS`` ended, with what it printed."""
    command = [sys.executable, "-m", "autoscaler.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout_s)
