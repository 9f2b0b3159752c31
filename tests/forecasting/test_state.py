"""Saved state: all of it comes back, and nothing that is damaged, older or of another specification is taken up."""

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import state
from forecasting.errors import InputError, StateError
from forecasting.forecast import Spec

_SPEC = Spec(horizons=(1, 2))


class Two:
    """A part with two arrays of different types."""

    STATE: ClassVar[tuple[str, ...]] = ("levels", "flags")

    def __init__(self, rows: int) -> None:
        self.levels = np.arange(3 * rows, dtype=np.float32).reshape(3, rows)
        self.flags = np.zeros(rows, dtype=np.bool_)


def test_what_was_saved_comes_back() -> None:
    saved, loaded = Two(4), Two(4)
    saved.levels += 0.5
    saved.flags[2] = True

    data = state.dump({"two": saved}, _SPEC, {"slot": 7})
    state.restore(data, _SPEC, {"two": loaded})

    assert state.facts(data, _SPEC) == {"slot": 7}
    np.testing.assert_array_equal(loaded.levels, saved.levels)
    np.testing.assert_array_equal(loaded.flags, saved.flags)


@given(data=st.data())
def test_a_single_changed_byte_is_found(data: st.DataObject) -> None:
    saved = state.dump({"two": Two(2)}, _SPEC, {})
    place = data.draw(st.integers(0, len(saved) - 1))
    damaged = bytearray(saved)
    damaged[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(StateError):
        state.facts(bytes(damaged), _SPEC)


@given(length=st.integers(0, 200))
def test_a_state_that_is_cut_short_is_refused(length: int) -> None:
    with pytest.raises(StateError):
        state.facts(state.dump({"two": Two(8)}, _SPEC, {})[:length], _SPEC)


def test_a_state_of_another_specification_is_refused() -> None:
    data = state.dump({"two": Two(2)}, _SPEC, {})

    with pytest.raises(StateError, match="specification"):
        state.facts(data, Spec(horizons=(1, 3)))


def test_a_state_of_other_parts_or_another_number_of_rows_is_refused() -> None:
    data = state.dump({"two": Two(2)}, _SPEC, {})

    with pytest.raises(StateError, match="parts"):
        state.restore(data, _SPEC, {"three": Two(2)})
    with pytest.raises(StateError, match="levels"):
        state.restore(data, _SPEC, {"two": Two(3)})


def test_rows_are_named_once_and_exist() -> None:
    with pytest.raises(InputError, match="different ones of the 3"):
        state.places([0, 0], rows=3)
    with pytest.raises(InputError, match="different ones of the 3"):
        state.places([3], rows=3)
