"""What becomes of samples on their way to a series: each kind of bad input has a stated rule."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting import series
from forecasting.errors import InputError
from forecasting.series import Cleaning, How, Series

_NAN = math.nan


def _same(found: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected)


class TestASeries:
    def test_numbers_its_buckets_since_the_epoch(self) -> None:
        load = Series(start_s=1_700_000_040, step_s=60, values=[1.0, _NAN, 3.0])

        assert load.slots.tolist() == [28_333_334, 28_333_335, 28_333_336]  # 1,700,000,040 / 60
        assert load.end_s == 1_700_000_220
        assert load.gaps.tolist() == [False, True, False]

    def test_cannot_be_changed_through_what_it_was_made_from(self) -> None:
        values = np.array([1.0, 2.0])

        load = Series(0, 60, values)
        values[0] = 9.0

        assert load.values.tolist() == [1.0, 2.0]
        with pytest.raises(ValueError, match="read-only"):
            load.values[0] = 9.0

    @pytest.mark.parametrize("step_s", [0, -60, 7, 61, 100_000])
    def test_refuses_a_step_that_does_not_divide_a_day(self, step_s: int) -> None:
        with pytest.raises(InputError, match="must divide a day"):
            Series(0, step_s, [])

    def test_refuses_a_start_off_the_grid(self) -> None:
        with pytest.raises(InputError, match="multiple of step_s"):
            Series(30, 60, [1.0])

    @pytest.mark.parametrize("values", [[[1.0]], 1.0])
    def test_refuses_another_shape(self, values: object) -> None:
        with pytest.raises(InputError, match="one dimension"):
            Series(0, 60, values)  # type: ignore[arg-type]

    @pytest.mark.parametrize("value", [-1.0, math.inf, -math.inf])
    def test_refuses_what_cannot_be_a_load(self, value: float) -> None:
        with pytest.raises(InputError, match="finite and not negative"):
            Series(0, 60, [1.0, value])

    def test_its_end_is_a_series_of_the_same_buckets(self) -> None:
        load = Series(600, 60, [1.0, 2.0, 3.0])

        assert load.last(2).start_s == 660
        assert load.last(2).values.tolist() == [2.0, 3.0]
        assert len(load.last(9)) == 3
        assert len(load.last(0)) == 0


class TestSamples:
    def test_are_averaged_by_the_bucket(self) -> None:
        load, found = series.from_samples(range(0, 120, 15), [1, 2, 3, 4, 5, 6, 7, 8], 60)

        _same(load.values, [2.5, 6.5])
        assert found == Cleaning(samples=8)

    def test_are_summed_or_the_latest_is_taken(self) -> None:
        times, values = range(0, 60, 15), [4, 1, 3, 2]

        summed, _ = series.from_samples(times, values, 60, how=How.SUM)
        latest, _ = series.from_samples(times, values, 60, how=How.LAST)

        _same(summed.values, [10])
        _same(latest.values, [2])

    def test_a_gap_is_never_zero_and_zero_is_never_a_gap(self) -> None:
        load, _ = series.from_samples([0, 60, 240], [0.0, 0.0, 7.0], 60, how=How.SUM)

        _same(load.values, [0.0, 0.0, _NAN, _NAN, 7.0])

    def test_half_a_bucket_stands_for_all_of_it_and_less_is_a_gap(self) -> None:
        # Minute 0 has 2 of 4 samples: 2 + 4 is half, so 12. Minute 1 has all. Minute 2 has 1 of 4.
        times = [0, 15, 60, 75, 90, 105, 120, 180, 195, 210, 225]
        values = [2, 4, 1, 1, 1, 1, 9, 1, 1, 1, 1]

        load, found = series.from_samples(times, values, 60, how=How.SUM)

        _same(load.values, [12.0, 4.0, _NAN, 4.0])
        assert found.partial == 1

    def test_the_last_bucket_is_left_out_until_it_has_ended(self) -> None:
        times, values = range(0, 105, 15), [1.0] * 7

        early, found = series.from_samples(times, values, 60, until=104)
        late, _ = series.from_samples([*times, 105], [*values, 1.0], 60, until=120)

        assert len(early) == 1
        assert found.partial == 1
        assert len(late) == 2

    def test_from_the_future_are_left_out(self) -> None:
        load, found = series.from_samples([0, 60, 120, 10**12], [1, 2, 3, 4], 60, until=180)

        _same(load.values, [1, 2, 3])
        assert found.future == 1

    def test_of_the_same_time_the_last_with_a_value_counts(self) -> None:
        load, found = series.from_samples([0, 0, 60, 60], [1.0, 5.0, 7.0, _NAN], 60)

        _same(load.values, [5.0, 7.0])
        assert found.duplicates == 2
        assert found.not_finite == 1

    def test_that_are_no_load_are_left_out_and_counted(self) -> None:
        load, found = series.from_samples([0, 60, 120, 180], [-1.0, math.inf, _NAN, 2.0], 60)

        _same(load.values, [_NAN, _NAN, _NAN, 2.0])
        assert (found.negative, found.not_finite) == (1, 2)

    def test_a_clock_that_is_set_back_makes_duplicates_and_no_new_time(self) -> None:
        load, found = series.from_samples([0, 60, 120, 60, 120, 180], [1, 2, 3, 20, 30, 4], 60)

        _same(load.values, [1, 20, 30, 4])
        assert (found.out_of_order, found.duplicates) == (1, 2)

    def test_none_at_all_make_an_empty_series(self) -> None:
        load, found = series.from_samples([], [], 60)

        assert len(load) == 0
        assert found == Cleaning(samples=0)

    @pytest.mark.parametrize("times", [[0.0, _NAN], [0.0, math.inf]])
    def test_need_a_time(self, times: list[float]) -> None:
        with pytest.raises(InputError, match="times must be finite"):
            series.from_samples(times, [1.0, 2.0], 60)

    def test_need_a_time_each(self) -> None:
        with pytest.raises(InputError, match="a time for each value"):
            series.from_samples([0.0, 60.0], [1.0], 60)

    def test_with_times_in_two_units_are_refused_before_memory_is_spent(self) -> None:
        with pytest.raises(InputError, match="in another unit"):
            series.from_samples([1_700_000_000, 1_700_000_060_000], [1.0, 2.0], 60)

    @given(
        st.lists(st.tuples(st.integers(0, 3_000), st.floats(0, 1e6)), max_size=60, unique_by=lambda sample: sample[0]), st.randoms()
    )
    def test_come_to_the_same_in_any_order(self, samples: list[tuple[int, float]], chance: object) -> None:
        shuffled = list(samples)
        chance.shuffle(shuffled)  # type: ignore[attr-defined]

        straight, _ = series.from_samples([t for t, _ in sorted(samples)], [v for _, v in sorted(samples)], 60, until=3_060)
        crooked, _ = series.from_samples([t for t, _ in shuffled], [v for _, v in shuffled], 60, until=3_060)

        assert straight.start_s == crooked.start_s
        np.testing.assert_allclose(straight.values, crooked.values)


class TestACounter:
    def test_is_told_by_its_rises(self) -> None:
        # 1 a second for two minutes, then 2 a second for one.
        load, found = series.from_counter([0, 60, 120, 180], [100, 160, 220, 340], 60)

        _same(load.values, [60, 60, 120])
        assert found == Cleaning(samples=4)

    def test_read_between_buckets_is_split_in_proportion(self) -> None:
        # 30–90 s: 60, one a second; 90–150 s: 120, two a second. The second minute has 30 of the one and 60 of the other.
        load, _ = series.from_counter([30, 90, 150], [0, 60, 180], 60)

        _same(load.values, [60.0, 90.0])  # half of the first minute is known, and stands for all of it

    def test_that_drops_was_reset_and_tells_nothing_of_that_time(self) -> None:
        load, found = series.from_counter([0, 60, 120, 180], [1_000, 1_060, 5, 65], 60)

        _same(load.values, [60, _NAN, 60])
        assert found.resets == 1

    def test_not_read_for_long_is_a_gap_and_no_average(self) -> None:
        load, _ = series.from_counter([0, 60, 120, 720, 780], [0, 60, 120, 9_000, 9_060], 60)

        _same(load.values, [60, 60, *[_NAN] * 10, 60])

    def test_that_stands_still_is_zero(self) -> None:
        load, _ = series.from_counter([0, 60, 120], [5, 5, 5], 60)

        _same(load.values, [0, 0])

    @pytest.mark.parametrize("times", [[], [0.0]])
    def test_read_less_than_twice_tells_nothing(self, times: list[float]) -> None:
        load, _ = series.from_counter(times, [1.0] * len(times), 60)

        assert len(load) == 0

    @given(st.lists(st.floats(0, 1e6), min_size=2, max_size=40))
    def test_never_falls_below_zero_whatever_it_reads(self, readings: list[float]) -> None:
        load, _ = series.from_counter(np.arange(len(readings)) * 15.0, readings, 60)

        assert np.all(load.gaps | (load.values >= 0))


class TestResampling:
    def test_keeps_the_mean_or_the_sum(self) -> None:
        load = Series(0, 60, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])

        _same(load.resample(120).values, [1.5, 3.5, 5.5])
        _same(load.resample(180, How.SUM).values, [6, 15])

    def test_leaves_a_gap_of_what_is_less_than_half_known(self) -> None:
        load = Series(0, 60, [1.0, _NAN, _NAN, _NAN, 0.0, 0.0, 0.0, _NAN])

        _same(load.resample(240, How.SUM).values, [_NAN, 0.0])

    def test_leaves_out_a_bucket_that_it_does_not_fill(self) -> None:
        assert Series(0, 60, [1.0, 2.0, 3.0]).resample(120).values.tolist() == [1.5]

    @pytest.mark.parametrize("step_s", [30, 90])
    def test_refuses_what_is_not_coarser_by_a_whole_number(self, step_s: int) -> None:
        with pytest.raises(InputError, match="multiple"):
            Series(0, 60, [1.0]).resample(step_s)

    @given(st.lists(st.one_of(st.just(_NAN), st.floats(0, 1e6)), max_size=60))
    def test_in_two_steps_or_to_its_own_step_changes_nothing_of_what_is_whole(self, values: list[float]) -> None:
        load = Series(0, 60, values)

        same = load.resample(60)
        coarse = load.resample(300, How.SUM)

        np.testing.assert_array_equal(same.values, load.values)
        for bucket, value in enumerate(coarse.values):
            part = load.values[5 * bucket : 5 * bucket + 5]
            if not np.isnan(part).any():
                assert value == pytest.approx(part.sum())


class TestCsv:
    _TEXT = "timestamp_s,requests,tokens\n120,3,9\n180,,9\n240,5,9\n"

    def test_gives_a_series_with_the_step_of_its_lines(self) -> None:
        load, _ = series.read_csv(self._TEXT)

        assert (load.start_s, load.step_s) == (120, 60)
        _same(load.values, [3, _NAN, 5])

    def test_may_be_packed(self) -> None:
        load, _ = series.read_csv(gzip.compress(self._TEXT.encode()), column="tokens")

        _same(load.values, [9, 9, 9])

    def test_cut_off_in_transit_is_refused(self) -> None:
        with pytest.raises(InputError, match="gzip"):
            series.read_csv(gzip.compress(self._TEXT.encode())[:-12])

    def test_with_a_line_left_out_has_a_gap_there(self) -> None:
        load, _ = series.read_csv("timestamp_s,requests\n0,1\n60,2\n180,4\n240,5\n")

        _same(load.values, [1, 2, _NAN, 4, 5])

    def test_of_an_odd_period_takes_the_next_step_that_divides_a_day(self) -> None:
        # 57 s: 58 and 59 do not divide 86,400 either.
        lines = "\n".join(f"{57 * n},2" for n in range(40))

        load, _ = series.read_csv(f"timestamp_s,requests\n{lines}\n")

        assert load.step_s == 60
        _same(load.values, [2.0] * len(load))

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("", "must name timestamp_s and requests"),
            ("time,requests\n0,1\n", "timestamp_s is not in"),
            ("timestamp_s,requests\n0,1\n60,many\n", "line 3"),
            ("timestamp_s,requests\n0,1\n60\n", "line 3"),
            ("timestamp_s,requests\nnan,1\n60,2\n", "must be finite"),
            ("timestamp_s,requests\n0,1\n", "at least two samples"),
        ],
    )
    def test_that_cannot_be_read_is_refused_with_the_place(self, text: str, complaint: str) -> None:
        with pytest.raises(InputError, match=complaint):
            series.read_csv(text)

    @given(st.integers(0, 10**6), st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=2, max_size=50))
    def test_reads_back_what_was_written(self, start: int, values: list[int | None]) -> None:
        lines = (f"{60 * (start + n)},{'' if value is None else value}" for n, value in enumerate(values))

        load, _ = series.read_csv("\n".join(["timestamp_s,requests", *lines]))

        assert load.start_s == 60 * start
        _same(load.values, [_NAN if value is None else float(value) for value in values])
