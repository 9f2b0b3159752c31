"""A schedule is in force as long as a clock on the wall says, also in the weeks in which clocks are put forward or back."""

import math
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from autoscaler.decision import schedule
from autoscaler.decision.model import ScheduleState
from autoscaler.resource.scaler import Schedule

ZONES: dict[str, tzinfo] = {
    name: ZoneInfo(name)
    for name in ("UTC", "Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca")
}
OFFICE = Schedule(name="office", start="0 8 * * 1-5", end="0 20 * * 1-5", time_zone="Asia/Shanghai", min_replicas=2)
BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, zone: tzinfo = UTC, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).timestamp()


def active(one: Schedule, now: float) -> bool:
    return bool(schedule.state((one,), ZONES, now=now)[0].names)


def daily(start: str, end: str, zone: str = "Europe/Berlin") -> Schedule:
    (start_hour, start_minute), (end_hour, end_minute) = start.split(":"), end.split(":")
    return Schedule(
        name="daily",
        start=f"{int(start_minute)} {int(start_hour)} * * *",
        end=f"{int(end_minute)} {int(end_hour)} * * *",
        time_zone=zone,
        min_replicas=1,
    )


def test_it_is_in_force_from_its_start_until_its_end_in_its_own_zone() -> None:
    # Monday 2026-03-02, 08:00 in Shanghai is midnight in UTC.
    begins, ends = at("2026-03-02T00:00"), at("2026-03-02T12:00")

    found = [active(OFFICE, now) for now in (begins - 1, begins, begins + 0.5, ends - 0.5, ends)]

    assert found == [False, True, True, True, False]


def test_it_tells_its_bounds_its_name_its_next_start_and_until_when_that_stands() -> None:
    monday = at("2026-03-02T03:00")

    found, until = schedule.state((OFFICE,), ZONES, now=monday)

    assert found == ScheduleState(names=("office",), min_replicas=2, next_start=at("2026-03-03T00:00"))
    assert until == at("2026-03-02T12:00")


def test_over_the_weekend_it_waits_for_monday() -> None:
    found, until = schedule.state((OFFICE,), ZONES, now=at("2026-03-07T10:00"))

    assert found == ScheduleState(next_start=at("2026-03-09T00:00"))
    assert until == at("2026-03-09T00:00")


def test_one_that_crosses_midnight_lasts_until_the_morning() -> None:
    night = daily("22:00", "06:00", "UTC")

    found = [active(night, at(f"2026-05-0{day}T{hour}")) for day, hour in ((1, "21:59"), (1, "22:00"), (2, "05:59"), (2, "06:00"))]

    assert found == [False, True, True, False]


def test_one_by_the_date_lasts_for_months() -> None:
    season = Schedule(name="season", start="0 0 1 nov *", end="0 0 7 JAN *", max_replicas=4)

    found = [active(season, at(day)) for day in ("2026-10-31", "2026-11-01", "2027-01-06", "2027-01-07")]

    assert found == [False, True, True, False]


def test_of_several_the_highest_minimum_and_the_lowest_maximum_count() -> None:
    low = Schedule(name="low", start="0 0 * * *", end="0 23 * * *", min_replicas=1, max_replicas=9)
    high = Schedule(name="high", start="0 1 * * *", end="0 22 * * *", min_replicas=3, max_replicas=7)

    found, until = schedule.state((low, high), ZONES, now=at("2026-05-01T12:00"))

    assert (found.names, found.min_replicas, found.max_replicas) == (("low", "high"), 3, 7)
    assert until == at("2026-05-01T22:00")


def test_only_one_that_asks_for_replicas_has_a_start_to_prepare_for() -> None:
    cap = Schedule(name="cap", start="0 8 * * *", end="0 9 * * *", max_replicas=3)

    found, until = schedule.state((cap,), ZONES, now=at("2026-05-01T07:00"))

    assert found.next_start is None
    assert until == at("2026-05-01T08:00")


def test_without_schedules_nothing_ever_changes() -> None:
    assert schedule.state((), ZONES, now=0.0) == (ScheduleState(), math.inf)


def test_one_on_leap_days_waits_for_years() -> None:
    leap = Schedule(name="leap", start="0 0 29 2 *", end="0 0 1 3 *", min_replicas=2)

    found, until = schedule.state((leap,), ZONES, now=at("2026-05-01T07:00"))

    assert found == ScheduleState(next_start=at("2028-02-29"))
    assert until == at("2027-03-01")


# Berlin, 2026: clocks go from 02:00 to 03:00 on 29 March, and from 03:00 to 02:00 on 25 October.


def test_a_start_that_is_skipped_comes_at_the_next_minute_that_there_is() -> None:
    skipped = daily("02:30", "05:00")
    three = at("2026-03-29T03:00", BERLIN)

    assert [active(skipped, three - 1), active(skipped, three), active(skipped, three + 3600)] == [False, True, True]
    assert schedule.state((skipped,), ZONES, now=three - 600)[1] == three


def test_an_end_that_is_skipped_comes_at_the_next_minute_that_there_is() -> None:
    skipped = daily("22:00", "02:30")
    three = at("2026-03-29T03:00", BERLIN)

    assert [active(skipped, three - 1), active(skipped, three)] == [True, False]


def test_one_that_is_skipped_whole_is_never_in_force() -> None:
    skipped = daily("02:10", "02:50")
    three = at("2026-03-29T03:00", BERLIN)

    assert not any(active(skipped, three + seconds) for seconds in range(-7200, 7200, 60))


def test_a_start_that_comes_twice_begins_at_the_first_and_stays() -> None:
    twice = daily("02:30", "05:00")
    first = at("2026-10-25T02:30", BERLIN, fold=0)

    assert not active(twice, first - 1)
    assert all(active(twice, first + minutes * 60) for minutes in range(210))  # 30 min + the hour again + 2 h
    assert not active(twice, first + 210 * 60)


def test_an_end_that_comes_twice_is_the_second() -> None:
    twice = daily("22:00", "02:30")
    second = at("2026-10-25T02:30", BERLIN, fold=1)

    assert all(active(twice, second - minutes * 60) for minutes in range(1, 300))
    assert not active(twice, second)


def test_lines_for_every_hour_go_by_the_hours_that_pass() -> None:
    half = Schedule(name="half", start="0 * * * *", end="30 * * * *", time_zone="Europe/Berlin", min_replicas=1)
    first = at("2026-10-25T02:00", BERLIN, fold=0)

    found = [active(half, first + minutes * 60) for minutes in (-1, 0, 29, 30, 59, 60, 89, 90)]

    assert found == [False, True, True, False, False, True, True, False]


@given(
    zone=st.sampled_from(sorted(ZONES)),
    start=st.integers(0, 24 * 60 - 1),
    end=st.integers(0, 24 * 60 - 1),
    day=st.dates(date(2026, 1, 1), date(2027, 12, 31)) | st.sampled_from([date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5)]),
    second=st.integers(0, 24 * 3600 - 1),
)
def test_a_daily_one_is_in_force_while_the_wall_clock_is_between_its_ends(
    zone: str, start: int, end: int, day: date, second: int
) -> None:
    if start == end:
        return
    one = daily(f"{start // 60}:{start % 60}", f"{end // 60}:{end % 60}", zone)
    now = (datetime.combine(day, time(), tzinfo=UTC) + timedelta(seconds=second)).timestamp()
    wall = datetime.fromtimestamp(now, ZONES[zone])

    minute = wall.hour * 60 + wall.minute
    between = start <= minute < end if start < end else minute >= start or minute < end
    changes = _shifts_near(wall)

    # Where clocks are put forward or back within a day, the examples above say what is right.
    if not changes:
        assert active(one, now) == between


@given(
    zone=st.sampled_from(sorted(ZONES)),
    start=st.integers(0, 24 * 60 - 1),
    end=st.integers(0, 24 * 60 - 1),
    day=st.sampled_from(
        [date(2026, 3, 28), date(2026, 10, 24), date(2026, 3, 7), date(2026, 10, 31), date(2026, 4, 4), date(2026, 10, 3)]
    ),
)
def test_where_clocks_change_it_begins_and_ends_once_a_day_and_until_says_when(zone: str, start: int, end: int, day: date) -> None:
    if start == end:
        return
    one = daily(f"{start // 60}:{start % 60}", f"{end // 60}:{end % 60}", zone)
    now = begin = datetime.combine(day, time(12), tzinfo=ZONES[zone]).timestamp()
    changes = 0

    before = active(one, now)
    while now < begin + 2 * 86400:
        found, until = schedule.state((one,), ZONES, now=now)
        assert until > now
        assert active(one, until - 1) == bool(found.names)
        changes += bool(found.names) != before
        before, now = bool(found.names), until

    # Two days have two starts and two ends, one more or less at the edges; one that is skipped whole changes nothing twice.
    assert changes <= 5


def _shifts_near(wall: datetime) -> bool:
    offsets = {(wall + timedelta(hours=hours)).utcoffset() for hours in range(-48, 49, 6)}
    return len(offsets) > 1
