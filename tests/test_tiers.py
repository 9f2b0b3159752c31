"""Which tier a test belongs to, and what may not be skipped."""

from pathlib import Path

import pytest

from tests import run, tiers

TESTS = Path(__file__).parent


@pytest.mark.parametrize("tier", ["integration", "cluster", "browser"])
def test_a_test_under_a_tiers_folder_belongs_to_that_tier(tier: str) -> None:
    assert tiers.of(TESTS / tier / "deeper" / "test_it.py") == tier


def test_any_other_test_is_a_unit_test() -> None:
    assert tiers.of(TESTS / "adapter" / "test_quantity.py") == "unit"
    assert tiers.of(TESTS / "test_clusters.py") == "unit"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("", set()),
        ("cluster", {"cluster"}),
        ("integration, cluster,", {"integration", "cluster"}),
        ("all", set(tiers.ALL)),
        ("unit,all", set(tiers.ALL)),
    ],
)
def test_the_environment_names_the_tiers_that_must_run(value: str, wanted: set[str]) -> None:
    assert tiers.required({tiers.REQUIRE: value}) == wanted


def test_a_required_tier_that_does_not_exist_is_refused_with_the_list() -> None:
    with pytest.raises(tiers.UnknownTierError, match="no tier clutser; there are all, unit, integration, cluster"):
        tiers.required({tiers.REQUIRE: "unit,clutser"})


def test_asking_for_a_tier_that_does_not_exist_is_an_error_with_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    status = run.main(["unti"])

    assert status == 2
    assert capsys.readouterr().err == "error: no tier unti; there are all, unit, integration, cluster, browser\n"


def test_the_unit_tier_leaves_the_other_tiers_folders_out() -> None:
    words = run.command("unit")

    assert {f"--ignore={TESTS / tier}" for tier in ("integration", "cluster", "browser")} <= set(words)


def test_a_machine_without_go_says_that_the_cluster_tier_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert tiers.missing("cluster") == "cluster tier: needs Go (https://go.dev) on PATH to build the control plane"


def test_components_that_are_not_built_are_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "go").touch(mode=0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    assert tiers.missing("cluster") == (
        "cluster tier: etcd, helm, kwok, kubernetes, prometheus not built yet: run 'make components'"
    )
