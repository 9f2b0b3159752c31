"""Each ablation takes away, or gives, one part and leaves the rest."""

import dataclasses

import pytest

from autoscaler.decision.model import DownRule, ForecastMode, WarmPool
from autoscaler.simulation import ablations
from autoscaler.simulation.ablations import ABLATIONS, Ablation
from autoscaler.simulation.ours import scaler_of

POLICY = dataclasses.replace(scaler_of(5.0).policy, warm_pool=WarmPool(min=1, max=1))


@pytest.mark.parametrize("ablation", ABLATIONS, ids=lambda one: one.name)
def test_an_ablation_changes_only_what_it_is_about(ablation: Ablation) -> None:
    changed = ablation.change(POLICY)

    parts = {field.name for field in dataclasses.fields(POLICY) if getattr(POLICY, field.name) != getattr(changed, field.name)}
    assert parts <= {"forecast", "warm_pool", "urgent_ratio", "scale_down"}
    assert ablation.change(changed) == changed


def test_the_parts_that_can_be_taken_away() -> None:
    assert ablations.without_forecast(POLICY).forecast.mode is ForecastMode.OFF
    assert ablations.without_gate(POLICY).forecast.mode is ForecastMode.ALWAYS
    assert ablations.without_pool(POLICY).warm_pool.max == 0
    assert ablations.without_urgency(POLICY).urgent_ratio is None
    assert ablations.with_band(POLICY).scale_down.rule is DownRule.BAND
    assert ablations.reactive(POLICY) == ablations.without_pool(ablations.without_forecast(POLICY))


def test_a_pool_of_ones_own_is_kept() -> None:
    assert ablations.with_pool(POLICY) == POLICY
    assert ablations.with_pool(ablations.without_pool(POLICY)).warm_pool.max == 2


def test_names_tell_ablations_apart() -> None:
    assert len({ablation.name for ablation in ABLATIONS}) == len(ABLATIONS)
