"""What goes over the pipe: whatever is sent arrives as it was, and nothing else is taken for it."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from forecasting.errors import InputError
from forecasting.forecast import Array, Spec, Target
from forecasting.models import wire
from forecasting.models.history import History, Verdict
from forecasting.tuning import Autoregression, Tuning

TUNING = Tuning(
    autoregression=Autoregression(scale=3.0, constant=0.1, lags=(0.9, 0.05), sines=(0.01,), cosines=(0.02,)),
)
SPEC = Spec(step_s=15, horizons=(1, 4), quantiles=(0.9,), target=Target.AT)


def history(values: Array) -> History:
    return History(name="qwen", slot=-3, values=values, tuning=TUNING)


@given(hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_a_history_arrives_as_it_was_sent(values: Array) -> None:
    arrived = wire.unpack(wire.pack(history(values)))

    np.testing.assert_array_equal(arrived.values, values)
    assert (arrived.name, arrived.slot, arrived.tuning) == ("qwen", -3, TUNING)


def test_a_request_arrives_as_it_was_sent() -> None:
    sent = wire.Request(id=7, spec=SPEC, series=(wire.pack(history(np.ones(4))), wire.pack(history(np.ones(5)))))

    body = wire.read(io.BytesIO(wire.encode(sent)))

    assert body is not None
    assert wire.request(body) == sent


@pytest.mark.parametrize(
    "sent",
    [
        wire.Refitted(id=7, verdicts=(Verdict(tuning=TUNING, ratio=0.9, why="it is better"),)),
        wire.Failed(id=None, message="what is this?"),
    ],
)
def test_an_answer_arrives_as_it_was_sent(sent: wire.Answer) -> None:
    body = wire.read(io.BytesIO(wire.encode(sent)))

    assert body is not None
    assert wire.answer(body) == sent


@given(st.binary(max_size=50))
def test_garbage_is_neither_a_request_nor_an_answer(body: bytes) -> None:
    with pytest.raises(InputError, match="this is no request"):
        wire.request(body)
    with pytest.raises(InputError, match="this is no answer"):
        wire.answer(body)


def test_a_specification_that_cannot_be_is_refused_with_its_reason() -> None:
    request = wire.Request(id=7, spec=SPEC, series=())
    spoilt = wire.encode(request)[wire.HEADER.size :].replace(b"step_s\x0f", b"step_s\x0b")  # 15 becomes 11

    with pytest.raises(InputError, match="step_s 11 must divide a day"):
        wire.request(spoilt)


def test_half_a_value_is_refused_by_the_name_of_its_series() -> None:
    with pytest.raises(InputError, match="qwen: 9 bytes are no series, each value takes 8"):
        wire.unpack(wire.Packed(name="qwen", slot=0, values=bytes(9), tuning=Tuning()))


def test_a_pipe_may_end_between_frames_and_nowhere_else() -> None:
    frame = wire.encode(wire.Failed(id=1, message="so"))

    assert wire.read(io.BytesIO(b"")) is None
    for end in range(1, len(frame)):
        with pytest.raises(InputError, match="the pipe ended"):
            wire.read(io.BytesIO(frame[:end]))


def test_a_frame_longer_than_any_series_is_refused_before_it_is_read() -> None:
    with pytest.raises(InputError, match="a frame of 268435457 bytes is announced: 268435456 is the most"):
        wire.length(wire.HEADER.pack(wire.LONGEST + 1))
