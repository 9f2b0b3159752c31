"""What is told of rows that were seen, and of those that nobody sees any more."""

import numpy as np

from autoscaler.anticipate.learner import Learner, Lesson, Wants
from forecasting.forecast import Spec

SPEC = Spec(horizons=(1, 5), day_s=7200)
WANTS = Wants(horizons=np.array([5, 5]), quantiles=np.array([0.9, 0.9]), pools=np.array([0.97, 0.97]))


def test_what_has_not_been_seen_for_half_an_hour_has_no_forecast_however_good_it_was() -> None:
    learner = Learner(SPEC)
    seen = [(slot, {0: 3.0 + slot % 3, 1: 3.0 + slot % 3}) for slot in range(40)]
    gone = [(slot, {1: 3.0 + slot % 3}) for slot in range(40, 71)]

    before = learner.learn(Lesson(wants=WANTS, buckets=[*seen, *gone[:30]]))
    after = learner.learn(Lesson(wants=WANTS, buckets=gone[30:]))

    # Bucket 39 was the last: half an hour is over with bucket 70.
    assert [each.forecast is not None for each in before.outlooks] == [True, True]
    assert [each.forecast is not None for each in after.outlooks] == [False, True]
    assert "more than half an hour" in after.outlooks[0].why
