"""What a past says: too much, too little, or enough."""

import numpy as np

from autoscaler.advice import verdict
from autoscaler.advice.verdict import Advice, Verdict
from autoscaler.cli import manifests
from forecasting.series import Series, Values

START = 1_799_000_400
LOOKS = 40  # of two minutes


def judged(load: float | Values, replicas: float | Values, *, gpus_each: int = 1) -> Verdict:
    return verdict.judge(
        verdict.Name("llm", "qwen"),
        Series(START, 120, np.full(LOOKS, load)),
        Series(START, 120, np.full(LOOKS, replicas)),
        gpus_each=gpus_each,
        target_percent=70.0,
        startup_p90_s=60.0,
        run_days=0.03,
        forecast=False,
        read=manifests.scaler,
    )


def test_eight_replicas_for_the_load_of_two_are_too_many() -> None:
    found = judged(1.5, 8.0)

    assert found.advice is Advice.SCALE
    assert found.was is not None
    assert found.would_be is not None
    assert found.would_be.gpu_hours < 0.6 * found.was.gpu_hours
    assert found.document is not None
    assert found.document["spec"]["mode"] == "Recommend"
    assert manifests.problems(found.document) == ()


def test_where_there_is_no_more_than_the_load_takes_nothing_is_run() -> None:
    found = judged(2.9, 3.0)

    assert (found.advice, found.was) == (Advice.LEAVE, None)


def test_gpus_that_were_saturated_are_said_to_hide_load() -> None:
    # Two replicas at their most: 100 / 70 of a replica's worth each.
    found = judged(2 / 0.7, 2.0)

    assert any("saturated" in note for note in found.notes)


def test_what_has_no_values_is_unknown() -> None:
    assert judged(np.nan, np.nan).advice is Advice.UNKNOWN


def test_a_load_and_replicas_that_are_never_known_together_say_nothing() -> None:
    half = np.arange(LOOKS) < LOOKS / 2

    found = judged(np.where(half, 1.5, np.nan), np.where(half, np.nan, 8.0))

    assert found.advice is Advice.UNKNOWN
    assert "never known for the same time" in found.why


def test_gpu_hours_are_those_of_all_gpus_of_a_replica() -> None:
    one, four = judged(1.5, 8.0), judged(1.5, 8.0, gpus_each=4)

    assert one.was is not None
    assert four.was is not None
    assert four.was.gpu_hours == 4 * one.was.gpu_hours


def test_gpus_that_did_nothing_at_all_are_the_first_to_save() -> None:
    found = judged(0.0, 1.0)

    assert (found.advice, found.was) == (Advice.SCALE, None)
    assert "rest it at zero" in found.why
    assert found.document is not None
    assert manifests.problems(found.document) == ()
