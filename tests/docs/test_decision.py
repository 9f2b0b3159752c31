"""`docs/explanation`: its decisions are the controller's own, its constants those of the code, its gate opens where it says."""

import re

import numpy as np
import pytest

from autoscaler.anticipate import followed
from autoscaler.decision import combine, demand, forecasted, idle, model, startup, trust
from autoscaler.settings import Pace
from forecasting import gate
from forecasting.forecast import Spec
from tests.docs import deciding, pages

DECISION = pages.page("docs/explanation/decision.md")
FORECAST = pages.page("docs/explanation/forecast.md")
WORDS = " ".join(DECISION.text.split())


def shown() -> list[str]:
    """Return what the page's consoles print."""
    return [block.text.partition("\n")[2] for block in DECISION.blocks if block.language == "console"]


def test_both_decisions_are_printed_as_the_command_prints_them() -> None:
    assert shown() == [deciding.told(deciding.up()), deciding.told(deciding.down())], "run python -m tests.docs.deciding"


def test_the_horizon_of_the_example_is_that_of_its_lead_time() -> None:
    seen, policy = deciding.up().observation, deciding.POLICY
    votes = demand.votes(policy, seen, deciding.up().before, current=3)
    lead_s = forecasted.lead_s(policy, seen, votes)

    assert lead_s == 62 + 24 + 15
    assert seen.forecast is not None
    assert followed.horizon(lead_s, Spec()) * 60 == seen.forecast.horizon_s == 180


@pytest.mark.parametrize(
    "sentence",
    [
        f"on every {Pace().tick_s:g} s at rest (`--period`), every {Pace().urgent_s:g} s while",
        f"age of the oldest metric + {forecasted.TICK_S:g} s",
        f"from + max({forecasted._LEAST_LIFT}, ⌈from ÷ {1 / forecasted._LIFT_RATIO:g}⌉)",
        f"⌈largest demand ÷ {combine.CONSOLIDATED_RATIO:g}⌉",
        f"at most {combine.IDLE_REPLICAS:g} replicas knows of no work",
        f"min(max(v ÷ T, {demand.LATENCY_BOUNDS[0]:g}), {demand.LATENCY_BOUNDS[1]:g})",
        f"Once there are {trust.MIN_BINS} points",
        f"fit below {trust.MIN_SLOPE:g}), or has a correlation below {trust.MIN_CORRELATION:g}",
        f"again above {trust.TRUSTED_SLOPE:g} and {trust.TRUSTED_CORRELATION:g}",
        f"last {startup.KEPT_STARTS} starts",
        f"`scaleDown.cooldownSeconds` ({model.ScaleDown().cooldown_s:g} s)",
        f"window: {model.Behavior().up.window_s} s up, {model.Behavior().down.window_s} s down",
    ],
)
def test_a_number_in_a_sentence_is_the_codes(sentence: str) -> None:
    assert sentence in WORDS


def test_the_default_rates_are_as_told() -> None:
    (up, twice), (down, half) = model.Behavior().up.rates, model.Behavior().down.rates

    assert down.period_s == half.period_s
    assert f"Up {up.value} pods per {up.period_s} s or {twice.value} % per {twice.period_s} s" in WORDS
    assert f"down {down.value} pod or {half.value} % per {half.period_s} s" in WORDS


def test_every_rule_stands_in_the_order_of_the_page() -> None:
    table = DECISION.text.partition("| | rules |")[2].partition("\n\n")[0]
    named = re.findall(r"`([A-Z]\w+)`", table)

    assert set(named) == {str(rule) for rule in model.Rule} - {"Start"}
    for record in (deciding.up(), deciding.down()):
        places = [named.index(step.rule) for step in record.decision.trail if step.rule != "Start"]
        assert places == sorted(places)


# ── the gate ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

_ROW = re.compile(r"^\| (0\.\d+) \| (\d+) \| (\d+) \| ([\d.]+) \| ([\d.]+) \| (yes|no) \|$", flags=re.MULTILINE)


@pytest.mark.parametrize("row", _ROW.findall(FORECAST.text), ids="-".join)
def test_the_gate_opens_where_the_table_says(row: tuple[str, ...]) -> None:
    ratio, horizon, count = float(row[0]), int(row[1]), int(row[2])
    judged = gate.Gate(1, Spec())
    record = judged._record
    record.count[:] = count
    record.daily[:] = np.array([ratio, 1.0, 1.0, 1.0], dtype=np.float32)[:, None]
    record.lately[:] = record.daily

    judged._decide(np.array([0]), np.array([horizon]))

    worth = min(count, max(1440, 100 * horizon)) / horizon
    assert f"{worth:.3g}" == f"{float(row[3]):.3g}"
    assert f"{1 - (1 - ratio) * worth / (worth + gate.Rules().caution):.3f}" == row[4]
    assert bool(judged.open[0]) == (row[5] == "yes")


def test_the_table_has_both_answers() -> None:
    assert {row[5] for row in _ROW.findall(FORECAST.text)} == {"yes", "no"}


@pytest.mark.parametrize(
    "sentence",
    [
        f"| forecasts that have come due | at least {gate.Rules().least} | |",
        f"| loss | C < {gate.Rules().opens_below:g} | R > {gate.Rules().shuts_above:g} |",
        f"| coverage | excess ≥ −{gate.Rules().opens_undercovered:g} | excess < −{gate.Rules().shuts_undercovered:g} |",
        f"| the last hour | failing ≤ {gate.Rules().opens_failing:g} | failing > {gate.Rules().shuts_failing:g} |",
        f"as if {gate.Rules().caution:g} forecasts",
        f"over about {gate.Rules().lately:g} forecasts",
    ],
)
def test_the_rules_of_the_gate_are_the_codes(sentence: str) -> None:
    assert sentence in " ".join(FORECAST.text.split())


def test_how_long_zero_is_out_of_the_question_is_as_told() -> None:
    zero = " ".join(pages.page("docs/how-to/scale-to-zero.md").text.split())

    assert idle.AFTER_WAKE_S == 120
    assert "for the start-up's p99 and two minutes" in zero
