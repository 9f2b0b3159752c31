"""The page: well formed, self-contained, and nothing left out of it."""

import re
from xml.etree import ElementTree as ET

import pytest

from autoscaler.simulation.compare import claims, report, study, summary
from autoscaler.simulation.compare.study import Plan
from autoscaler.simulation.compare.tuning import Budget
from tests.autoscaler.simulation.compare import fakes

NAMES = ("one", "two & <three>")


@pytest.fixture(scope="module")
def page() -> str:
    plan = Plan(
        cases=tuple(map(fakes.case, NAMES)),
        families=(
            fakes.family("leadtime", loss=0.01, front=True),
            fakes.family("hpa"),
            fakes.family("optimum", loss=0.001, tunable=False),
        ),
        budget=Budget(configurations=4),
        seeds=2,
        headline=claims.HEADLINE,
        drawn=claims.HEADLINE,
    )
    results = study.conduct(plan, fakes.simulate, workers=1)
    return report.page(results, claims.of(results))


@pytest.fixture(scope="module")
def root(page: str) -> ET.Element:
    return ET.fromstring(page.removeprefix("<!doctype html>\n"))  # noqa: S314 - our own


def test_it_is_well_formed_and_names_every_trace_and_policy(root: ET.Element) -> None:
    words = list(root.itertext())

    assert all(name in words for name in NAMES)
    assert all(name in words for name in ("leadtime", "leadtime tuned", "hpa", "hpa tuned", "optimum"))
    assert summary.LABEL in words


def test_every_claim_is_there_with_its_value_or_that_it_is_not_known(root: ET.Element) -> None:
    words = list(root.itertext())

    assert "gpu_hours_saved_vs_hpa_tuned" in words
    assert "keda tuned did not take part" in words
    assert "not known" in words


def test_each_trace_has_its_table_its_fronts_and_its_timelines(root: ET.Element) -> None:
    for section in root.iter("section"):
        titles = [plot.get("aria-label") or "" for plot in section.iter("svg")]
        assert titles[0].startswith("GPU-hours and requests")
        assert [title.split(" on ")[0] for title in titles[1:]] == ["leadtime tuned", "hpa tuned", "optimum"]
        assert section.find(".//table") is not None


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(page: str) -> None:
    assert not re.search(r"<script|<link|@import|url\(|https?://|\bsrc=", page)


def test_it_has_colours_for_light_and_dark_and_a_width_for_phones(page: str) -> None:
    assert "prefers-color-scheme:dark" in page
    assert 'name="viewport"' in page


def test_what_it_links_to_is_there(root: ET.Element) -> None:
    targets = {element.get("id") for element in root.iter("section")}

    assert {(link.get("href") or "").removeprefix("#") for link in root.iter("a")} == targets
