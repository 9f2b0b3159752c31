"""The file of what was learned: whole or not at all, exact or refused."""

import os
from pathlib import Path

import pytest

from autoscaler.anticipate import statefile
from autoscaler.anticipate.statefile import Row
from forecasting.errors import StateError

NOW = 1_800_000_000.0
ROWS = [Row(at=0, namespace="llm", name="qwen", uid="u", recalled=True, signals="Rate", horizon=3, quantile=0.9, pool=0.97)]


def kept(folder: Path, at: float = NOW) -> Path:
    file = statefile.path(folder)
    statefile.write(file, at=at, rows=ROWS, learned=b"learned\n\0")
    return file


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = kept(tmp_path)

    assert statefile.read(file, now=NOW + 5.0) == (tuple(ROWS), b"learned\n\0")
    assert [each.name for each in tmp_path.iterdir()] == [file.name]


def test_where_nothing_was_ever_kept_there_is_nothing(tmp_path: Path) -> None:
    assert statefile.read(statefile.path(tmp_path), now=NOW) is None


@pytest.mark.parametrize("age_s", [statefile.MAX_AGE_S + 1.0, -3600.0])
def test_what_is_of_another_time_is_refused(tmp_path: Path, age_s: float) -> None:
    with pytest.raises(StateError, match="a week is the most"):
        statefile.read(kept(tmp_path), now=NOW + age_s)


@pytest.mark.parametrize(
    "harm", [lambda data: data[:-1], lambda data: data[:40], lambda data: data[:0], lambda data: b"x" + data[1:]]
)
def test_what_is_damaged_is_refused(tmp_path: Path, harm: object) -> None:
    file = kept(tmp_path)
    file.write_bytes(harm(file.read_bytes()))  # type: ignore[operator]

    with pytest.raises(StateError, match="damaged"):
        statefile.read(file, now=NOW)


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statefile, "VERSION", 2)
    file = kept(tmp_path)
    monkeypatch.undo()

    with pytest.raises(StateError, match="version 2, not 1"):
        statefile.read(file, now=NOW)


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = kept(tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        statefile.write(file, at=NOW + 1.0, rows=[], learned=b"newer")

    assert statefile.read(file, now=NOW) == (tuple(ROWS), b"learned\n\0")
    assert [each.name for each in tmp_path.iterdir()] == [file.name]
