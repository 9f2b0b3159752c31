"""`leadtime compare`: a comparison of everything on a load that is made or read, said in tables, a page and a line of JSON."""

import contextlib
import io
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest

from autoscaler.cli import main
from tests.autoscaler.cli.conftest import Leadtime, Ran

#: As little as can be: parts of twenty minutes, and no configuration but the default.
SMALL = ("--hours", "0.5", "--seeds", "2", "--tuning", "1", "--pods", "4", "--workers", "1")


def words(text: str) -> str:
    """Return what is in the box that a usage error is printed in."""
    return " ".join(text.replace("│", " ").split())


def written(file: Path, minutes: int = 40) -> Path:
    rows = [f"{60 * minute},{300 + 200 * math.sin(minute / 6):.1f}" for minute in range(minutes)]
    file.write_text("\n".join(["timestamp_s,requests", *rows]) + "\n")
    return file


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, Path]:
    """Return what a small comparison on a file printed, and the page that it wrote."""
    folder = tmp_path_factory.mktemp("compare")
    file, page = written(folder / "waves.csv"), folder / "report.html"
    arguments = ("--trace", str(file), "--policy", "hpa", "--policy", "leadtime", "--html", str(page), "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["leadtime", "compare", *SMALL, *arguments])
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main.run()
    return Ran(int(ended.value.code or 0), out.getvalue(), err.getvalue()), page


def document(ran: Ran) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(ran.out.splitlines()[-1])
    return told


def test_it_says_beforehand_what_it_will_run_and_on_the_way_how_far_it_is(compared: tuple[Ran, Path]) -> None:
    ran, _ = compared

    assert ran.status == 0
    # Tuning: one configuration each, at four levels. Judging: HPA as it is, and three fronts of five levels, with two seeds each.
    assert ran.out.startswith("1 traces × 2 policies: 40 simulated runs in 1 processes\n")
    assert "requests × " in ran.out
    assert "so that the peak takes 4 pods" in ran.out
    assert "judging: 32 of 32" in ran.err


def test_it_shows_a_table_of_the_trace_who_wins_and_the_claims_as_those_of_a_simulation(compared: tuple[Ran, Path]) -> None:
    ran, _ = compared

    assert "waves (bursty), results of a simulation" in ran.out or "waves (daily), results of a simulation" in ran.out
    assert all(f"│ {name} " in ran.out for name in ("leadtime", "leadtime tuned", "hpa", "hpa tuned"))
    assert " against hpa tuned: " in ran.out
    assert "Claims, results of a simulation" in ran.out


def test_its_last_line_is_one_json_object_with_every_claim(compared: tuple[Ran, Path]) -> None:
    told = document(compared[0])

    assert (told["command"], told["simulation"]) == ("compare", True)
    found = {claim["name"]: claim for claim in told["claims"]}
    assert {
        "gpu_hours_saved_vs_hpa_tuned",
        "gpu_hours_saved_vs_keda_tuned",
        "late_requests_cut_at_equal_cost",
        "regret_ratio",
        "worst_trace_vs_hpa_tuned",
    } <= set(found)
    assert found["gpu_hours_saved_vs_keda_tuned"]["value"] is None
    assert found["gpu_hours_saved_vs_keda_tuned"]["note"] == "keda tuned did not take part"
    (trace,) = told["traces"]
    assert [policy["name"] for policy in trace["policies"]] == ["leadtime", "leadtime tuned", "hpa", "hpa tuned"]
    assert trace["judged_s"] == 1200.0


def test_the_page_is_written(compared: tuple[Ran, Path]) -> None:
    ran, page = compared

    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert f"the report is {page}" in ran.out.replace("\n", "")


def test_the_same_command_gives_the_same_line(leadtime: Leadtime, tmp_path: Path) -> None:
    file = written(tmp_path / "waves.csv")
    arguments = ("compare", *SMALL, "--trace", str(file), "--policy", "static", "--json")

    assert document(leadtime(*arguments)) == document(leadtime(*arguments))


def test_one_run_can_be_made_again_with_all_its_changes(leadtime: Leadtime, tmp_path: Path) -> None:
    file = written(tmp_path / "waves.csv")

    ran = leadtime("compare", *SMALL, "--trace", str(file), "--one", "waves", "hpa tuned", "1")

    assert ran.status == 0
    assert ran.out.startswith("hpa tuned on waves, seed 1\nsettings: follow gpu, queue, rate, tightness 1.0")
    assert "changes, results of a simulation" in ran.out
    assert "requests in time" in ran.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--kind", "dayly"), "dayly: the kinds are daily, bursty"),
        (("--startup", "soon"), "--startup"),
    ],
)
def test_an_option_that_cannot_be_meant_is_a_usage_error(leadtime: Leadtime, arguments: tuple[str, ...], says: str) -> None:
    ran = leadtime("compare", *SMALL, *arguments)

    assert ran.status == 2
    assert says in words(ran.err)


def test_what_cannot_be_compared_is_one_line_and_status_2(leadtime: Leadtime, tmp_path: Path) -> None:
    short, file = written(tmp_path / "short.csv", 12), written(tmp_path / "waves.csv")
    again = written(tmp_path / "waves.txt")

    for arguments, says in (
        (("--trace", str(short)), "too short to tune on one part and judge on another"),
        (("--trace", str(tmp_path / "none.csv")), "cannot be opened"),
        (("--trace", str(file), "--trace", str(again)), "two traces are called waves"),
        (("--trace", str(file), "--policy", "hpaa"), "hpaa: there is no such policy; there are "),
        (("--trace", str(file), "--one", "wives", "hpa", "0"), "wives: there is no such trace; there are waves"),
    ):
        ran = leadtime("compare", *SMALL, *arguments)
        assert ran.status == 2
        assert says in ran.err.splitlines()[-1]
        assert "Traceback" not in ran.err
