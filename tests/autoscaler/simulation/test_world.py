"""A world that cannot be is refused, with the setting that is wrong."""

from collections.abc import Callable

import pytest

from autoscaler.simulation.world import Classic, Llm, Path, Router, Startup, World


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Llm(step_s=0.008, host_s=0.009), "host_s"),
        (lambda: Llm(step_per_sequence_s=-0.001), "sequences"),
        (lambda: Llm(kv_tokens=0), "kv_tokens"),
        (lambda: Classic(batch_s=0.0, item_s=0.0), "batch_s"),
        (lambda: Classic(max_batch=0), "max_batch"),
        (lambda: Startup(p50_s=60.0, p90_s=45.0), "p50_s"),
        (lambda: Path(hold_s=0.0), "hold_s"),
        (lambda: Path(lost_ratio=1.1), "lost_ratio"),
        (lambda: Router(patience_s=0.0), "patience_s"),
        (lambda: Router(in_flight_per_pod=0), "in_flight_per_pod"),
        (lambda: World(min_replicas=3, max_replicas=2), "min_replicas"),
        (lambda: World(first_replicas=65), "first_replicas"),
        (lambda: World(gpus_per_pod=0), "gpus_per_pod"),
    ],
)
def test_what_cannot_be_is_named(make: Callable[[], object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        make()


def test_the_defaults_can_be() -> None:
    assert World(engine=Classic()).max_replicas == 64
