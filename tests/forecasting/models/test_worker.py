"""The worker: an answer for every request, whatever it is, until its input ends."""

import io

import numpy as np
import pytest

from forecasting.errors import InputError
from forecasting.forecast import Array, Spec
from forecasting.models import __main__ as worker
from forecasting.models import wire
from forecasting.models.history import History
from forecasting.tuning import Tuning
from tests.forecasting.models import loads

SPEC = Spec(step_s=60, day_s=80 * 60, horizons=(1, 5), quantiles=(0.5, 0.9))


def asked(*frames: bytes) -> list[wire.Answer]:
    answers = io.BytesIO()
    worker.serve(io.BytesIO(b"".join(frames)), answers)
    answers.seek(0)
    found = []
    while (body := wire.read(answers)) is not None:
        found.append(wire.answer(body))
    return found


def packed(values: Array) -> wire.Packed:
    return wire.pack(History(name="qwen", slot=0, values=values, tuning=Tuning()))


def request(number: int, *series: wire.Packed) -> bytes:
    return wire.encode(wire.Request(id=number, spec=SPEC, series=series))


def test_each_request_is_answered_in_its_turn_with_a_verdict_for_each_series() -> None:
    load, short = packed(loads.daily(3.2, spec=SPEC)), packed(np.ones(3))

    first, second = asked(request(3, short, load), request(4))

    assert isinstance(first, wire.Refitted)
    assert first.id == 3
    assert [verdict.ratio is not None for verdict in first.verdicts] == [False, True]
    assert second == wire.Refitted(id=4, verdicts=())


def test_a_bad_request_is_answered_and_the_next_one_served() -> None:
    garbage = wire.HEADER.pack(4) + b"what"
    uneven = wire.Packed(name="qwen", slot=0, values=bytes(9), tuning=Tuning())

    unread, failed, good = asked(garbage, request(2, uneven), request(3, packed(np.ones(3))))

    assert isinstance(unread, wire.Failed)
    assert unread.id is None
    assert failed == wire.Failed(id=2, message="InputError: qwen: 9 bytes are no series, each value takes 8")
    assert isinstance(good, wire.Refitted)


def test_no_request_is_no_answer() -> None:
    assert asked() == []


def test_input_that_ends_within_a_frame_is_an_error() -> None:
    with pytest.raises(InputError, match="the pipe ended"):
        asked(request(1, packed(np.ones(3)))[:-1])
