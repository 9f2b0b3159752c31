"""`leadtime autoscaler`: what of the command line can be seen to be wrong is said before anything starts."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from autoscaler import daemon
from autoscaler.cli.main import app
from autoscaler.settings import Foresight, Options, Page


def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """Return where the options go that the daemon would be started with."""
    given: list[Options] = []

    def main(options: Options) -> int:
        given.append(options)
        return 0

    monkeypatch.setattr(daemon, "main", main)
    return given


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--state-dir=/nowhere/at/all"], "is no folder"),
        (["--refit-hours=0.5"], "0, or 1 to 24"),
        (["--refit-hours=25"], "less than or equal to 24"),
        (["--bucket-seconds=7"], "must divide a day"),
        (["--page=8444"], "no address with a port"),
        (["--page=localhost:http"], "no address with a port"),
        (["--page=127.0.0.1:99999"], "no address with a port"),
        (["--page-key-file=key"], "there is no page without an address"),
        (["--page=0.0.0.0:8444", "--page-key-file=key"], "0.0.0.0 is not loopback"),
        (["--page=:8444", "--page-key-file=key"], "is not loopback"),
        (["--page=10.1.2.3:8444", "--page-key-file=key"], "everybody on the way reads the key"),
    ],
)
def test_what_cannot_be_meant_is_refused(words: list[str], said: str) -> None:
    told = CliRunner().invoke(app, ["autoscaler", *words])

    assert told.exit_code == 2
    assert said in " ".join(told.output.split())


def test_what_forecasts_live_on_is_handed_to_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = handed_over(monkeypatch)
    words = [f"--state-dir={tmp_path}", "--prometheus-url=http://prometheus:9090", "--refit-hours=6"]

    told = CliRunner().invoke(app, ["autoscaler", *words, "--bucket-seconds=1", "--day-seconds=1440"])

    assert told.exit_code == 0
    assert given[0].foresight == Foresight(
        state_dir=tmp_path, history_url="http://prometheus:9090", refit_hours=6.0, step_s=1, day_s=1440
    )


def test_without_a_word_nothing_is_kept_asked_or_refitted(monkeypatch: pytest.MonkeyPatch) -> None:
    given = handed_over(monkeypatch)

    CliRunner().invoke(app, ["autoscaler"])

    assert given[0].foresight == Foresight()


def test_a_file_of_prices_is_handed_to_the_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = handed_over(monkeypatch)

    CliRunner().invoke(app, ["autoscaler", f"--prices={tmp_path / 'prices.yaml'}"])
    CliRunner().invoke(app, ["autoscaler"])

    assert [options.prices for options in given] == [tmp_path / "prices.yaml", None]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ([], None),
        (["--page=:8444"], Page(address="0.0.0.0", port=8444)),
        (["--page=[::1]:8444"], Page(address="::1", port=8444)),
        (["--page=127.0.0.1:0", "--page-key-file=key"], Page(address="127.0.0.1", port=0, key_file=Path("key"))),
    ],
)
def test_the_page_is_off_until_it_has_an_address(words: list[str], page: Page | None, monkeypatch: pytest.MonkeyPatch) -> None:
    given = handed_over(monkeypatch)

    CliRunner().invoke(app, ["autoscaler", *words])

    assert given[0].page == page
