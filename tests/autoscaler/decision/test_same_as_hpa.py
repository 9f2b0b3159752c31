"""With everything off that HPA does not have, the same inputs give HPA's integers, tick after tick."""

import dataclasses
import os
from collections.abc import Callable

import pytest

from autoscaler.simulation.rivals import horizontal
from tests.peers import differential

#: The profile of `tests/conftest.py` under which this takes minutes.
THOROUGH = os.environ.get("LEADTIME_HYPOTHESIS") == "thorough"


def test_random_histories_get_the_same_replicas_from_us_and_from_hpa() -> None:
    result = differential.run_in_parallel(range(100_000)) if THOROUGH else differential.run(range(200))

    assert not result.differences, min(result.differences, key=lambda each: len(each.worlds))
    assert result.ticks > 20 * result.histories
    assert result.changes > result.histories  # or both only held still


def _wider(rules: horizontal.ScalingRules) -> horizontal.ScalingRules:
    return dataclasses.replace(rules, window_s=rules.window_s + 1)


class _NeverForgets(horizontal.Autoscaler):
    """Keeps every change, where HPA drops those that their own direction's policies no longer look at."""

    def _remember_change(self, before: int, after: int, now_ns: int) -> None:
        changes = self._ups if after > before else self._downs
        horizontal._put(changes, None, horizontal._Stamped(abs(after - before), now_ns))


class _CountsTheCutoff(horizontal.Autoscaler):
    """Counts a change that is exactly a period old."""

    def _at_period_start(self, current: int, policy: horizontal.ScalingPolicy, now_ns: int) -> int:
        return super()._at_period_start(current, policy, now_ns - 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda spec: horizontal.Autoscaler(dataclasses.replace(spec, scale_up=_wider(spec.scale_up))).sync,
        lambda spec: horizontal.Autoscaler(dataclasses.replace(spec, scale_down=_wider(spec.scale_down))).sync,
        lambda spec: horizontal.Autoscaler(dataclasses.replace(spec, max_replicas=spec.max_replicas + 1)).sync,
        lambda spec: _NeverForgets(spec).sync,
        lambda spec: _CountsTheCutoff(spec).sync,
    ],
    ids=["a wider up-window", "a wider down-window", "a higher maximum", "a longer memory of changes", "the cutoff counted"],
)
def test_the_histories_tell_an_autoscaler_apart_that_is_a_little_wrong(
    make: Callable[[horizontal.Spec], differential.Autoscaler],
) -> None:
    assert any(differential.run([seed], make).differences for seed in range(250))
