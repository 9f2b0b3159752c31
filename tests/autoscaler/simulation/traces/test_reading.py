"""Trace files become workloads, or an error that says which line to mend: nothing in between."""

import contextlib
import gzip
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoscaler.simulation.traces import reading, text
from autoscaler.simulation.traces.found import Format, Found
from autoscaler.simulation.workload import Rates, Requests, WorkloadError

AZURE = b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
BURSTGPT = b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
COUNTS = b"timestamp_s,requests\n"
FILE = Path("load.csv")

#: Names a folder of trace files, each of which must be read; without it they are not tried.
FOLDER = os.environ.get("LEADTIME_TRACES")


def requests(content: bytes) -> tuple[Requests, Found]:
    """Return the log that *content* is."""
    workload, found = reading.parse(content, FILE)
    assert isinstance(workload, Requests)
    return workload, found


def rates(content: bytes) -> tuple[Rates, Found]:
    """Return the counts that *content* is."""
    workload, found = reading.parse(content, FILE)
    assert isinstance(workload, Rates)
    return workload, found


def refused(content: bytes) -> str:
    """Return why *content* is refused."""
    with pytest.raises(WorkloadError) as caught:
        reading.parse(content, FILE)
    return str(caught.value)


def counted(*values: float | None, step_s: int = 60) -> bytes:
    """Return a file of counts per step."""
    return COUNTS + b"".join(f"{step_s * slot},{'' if value is None else value}\n".encode() for slot, value in enumerate(values))


def test_an_azure_trace_of_2023_begins_with_its_first_request() -> None:
    log, found = requests(AZURE + b"2023-11-16 18:15:46.6805900,374,44\r\n2023-11-16 18:15:50.9951690,396,109\r\n")

    assert log.at.tolist() == [0.0, 4.314579]  # 50.995169 - 46.680590
    assert (log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([374, 396], [44, 109])
    assert log.name == "load"
    # 2023-11-16 is the 19,677th day: 19,677 x 86,400 + 18 x 3600 + 15 x 60 + 46.68059
    assert found.begins_at_s == pytest.approx(1_700_158_546.68059, abs=1e-6)
    assert (found.format, found.rows, found.left_out, found.done) == (Format.AZURE, 2, (), ())


def test_an_azure_trace_of_2024_has_a_zone_and_seconds_without_a_fraction() -> None:
    log, _ = requests(AZURE + b"2024-05-10 00:00:00.009930+00:00,2162,5\n2024-05-10 00:00:01+00:00,2399,6\n")

    assert log.at.tolist() == [0.0, 0.99007]


def test_a_time_in_another_zone_is_the_moment_that_it_means() -> None:
    log, found = requests(AZURE + b"2024-05-10 02:00:00+02:00,10,5\n2024-05-10 00:00:30Z,10,6\n")

    assert log.at.tolist() == [0.0, 30.0]
    assert found.begins_at_s % 86_400 == 0


def test_failures_of_a_burstgpt_trace_are_left_out_and_counted() -> None:
    log, found = requests(
        BURSTGPT + b"5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,300,0,300,API log\n118,GPT-4,417,276,693,Conversation log\n"
    )

    assert (log.at.tolist(), log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([0, 113], [472, 417], [18, 276])
    assert (found.rows, found.left_out) == (3, (("no answer (0 tokens)", 1),))
    assert found.begins_at_s == 5  # seconds since a midnight
    assert "  left out: 1 rows, no answer (0 tokens)" in found.lines()


def test_the_second_burstgpt_has_two_more_columns() -> None:
    header = b"Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"

    log, found = requests(header + b"19440110.0,1722,43,GPT-4,906,446,1352,Conversation log\n")

    assert (log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([906], [446])
    assert found.format is Format.BURSTGPT


def test_a_mooncake_trace_is_in_milliseconds() -> None:
    log, found = requests(
        b'{"timestamp": 0, "input_length": 6758, "output_length": 500, "hash_ids": [0, 1]}\n'
        b'{"timestamp": 3052, "input_length": 20, "output_length": 1}\n'
    )

    assert (log.at.tolist(), log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([0, 3.052], [6758, 20], [500, 1])
    assert found.format is Format.MOONCAKE


def test_counts_per_step_are_rates_and_sums_of_tokens_are_means() -> None:
    load, found = rates(b"timestamp_s,requests,prompt_tokens,output_tokens\n1700158545,30,15000,3000\n1700158560,60,15000,6000\n")

    assert (load.step_s, load.start_s, load.per_s.tolist()) == (15, 1_700_158_545, [2.0, 4.0])
    # 30,000 tokens of prompts and 9000 of answers are of 90 requests.
    assert (load.mean_prompt_tokens, load.mean_output_tokens) == (pytest.approx(30_000 / 90), 100)
    assert (found.duration_s, found.done) == (30, ())


def test_lengths_that_nobody_counted_are_said_to_be_assumed() -> None:
    _, found = rates(counted(1, 2))

    assert found.done == ("no column prompt_tokens and no output_tokens: the usual mean length is assumed",)


@pytest.mark.parametrize("squeezed", [False, True])
def test_gzip_windows_line_ends_a_mark_of_utf8_quotes_and_empty_lines_do_no_harm(*, squeezed: bool) -> None:
    content = b'\xef\xbb\xbf"TIMESTAMP","ContextTokens",GeneratedTokens\r\n\r\n"2023-11-16 18:15:46",10,20\r\n \r\n'

    log, _ = requests(gzip.compress(content) if squeezed else content)

    assert (log.at.tolist(), log.prompt_tokens.tolist(), log.output_tokens.tolist()) == ([0], [10], [20])


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_lines_keep_their_numbers_over_the_seams_of_what_is_read_at_once(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK_BYTES", size)
    good = (
        AZURE + b"\r\n".join(b"2023-11-16 18:15:46,%d,1" % (at + 1) for at in range(50)) + b"\n\n"
    )  # lines 2 to 51, and an empty one

    log, _ = requests(good)
    why = refused(good + b"2023-11-16 18:15:46,many,1")

    assert log.prompt_tokens.tolist() == list(range(1, 51))
    assert "line 53: contexttokens 'many' must be a number" in why


def test_lines_of_a_log_that_come_late_are_put_in_order_and_told() -> None:
    log, found = requests(BURSTGPT + b"10,m,1,1,2,l\n40,m,2,1,2,l\n30,m,3,1,2,l\n50,m,4,1,2,l\n")

    assert (log.at.tolist(), log.prompt_tokens.tolist()) == ([0, 20, 30, 40], [1, 3, 2, 4])
    assert found.done == ("1 rows came after later ones, by up to 10 s, the first in line 4: put in order",)


def test_the_longest_silence_of_a_log_is_told_and_kept() -> None:
    log, found = requests(BURSTGPT + b"0,m,1,1,2,l\n7200,m,2,1,2,l\n7230,m,3,1,2,l\n")

    assert log.at.tolist() == [0, 7200, 7230]
    assert found.longest_silence_s == 7200
    assert "  longest time without a request: 2.0 h; taken for what it says" in found.lines()


def test_a_short_gap_is_interpolated_and_told() -> None:
    # Ten minutes: lines for 3 and 14, nothing in the ten steps between, half of it by missing lines.
    content = COUNTS + b"0,60\n60,60\n120,60\n" + b"".join(b"%d,\n" % (60 * at) for at in range(3, 8)) + b"780,720\n840,720\n"

    load, found = rates(content)

    # From 60 to 720 in 11 steps of 60 requests, which are 1 per second.
    assert load.per_s.tolist() == pytest.approx([1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12])
    assert [(gap.start_s, gap.duration_s, gap.filled) for gap in found.gaps] == [(180, 600, True)]
    assert found.done[0] == "10 steps without a value interpolated from their neighbours, so that they can be served"
    assert len(load.past) == 0


def test_at_a_long_gap_the_load_is_cut_and_what_was_before_teaches() -> None:
    load, found = rates(counted(60, 60, None, 60, *[None] * 11, 120, 120, 120, None, 120, *[None] * 11, 60))

    assert load.per_s.tolist() == [2, 2, 2, 2, 2]
    assert load.start_s == 15 * 60
    assert load.past.tolist()[:4] == pytest.approx([1, 1, np.nan, 1], nan_ok=True)
    assert np.isnan(load.past[4:]).all()
    assert len(load.past) == 15
    assert [gap.filled for gap in found.gaps] == [False, False, True, False]
    assert found.done[:2] == (
        "cut at a gap longer than 600 s: 15 steps before it teach, and are not served",
        "cut at a gap longer than 600 s: 12 steps after it are left out",
    )


def test_times_that_tremble_around_their_steps_are_of_these_steps() -> None:
    load, found = rates(COUNTS + b"1000.2,15\n1014.9,30\n1030.1,45\n1045.3,60\n")

    assert (load.step_s, load.start_s, load.per_s.tolist()) == (15, 1005, [1, 2, 3, 4])
    assert found.gaps == ()


def test_zeros_of_a_file_are_kept_and_counted() -> None:
    load, found = rates(counted(60, 0, 0, 60))

    assert load.per_s.tolist() == [1, 0, 0, 1]
    assert found.longest_silence_s == 120
    assert "2 of 4 steps are 0 in the file: taken for silence, which an outage would also look like" in found.done


def test_a_file_that_is_too_short_says_by_how_much() -> None:
    with pytest.raises(WorkloadError, match=r"load.csv: lasts 180 s, and 86400 s are asked for: give a longer one"):
        reading.parse(counted(1, 2, 3), FILE, least_s=86_400)

    reading.parse(counted(1, 2, 3), FILE, least_s=180)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "load.csv: the file is empty"),
        (b"\n \n", "load.csv: the file is empty"),
        (b"when,what\n1,2\n", "line 1: 'when,what' begins none of the formats"),
        (b"2023-11-16 18:15:46,374,44\n", "line 1: '2023-11-16 18:15:46,374,44' begins none of the formats"),
        (AZURE, "load.csv: there are no requests"),
        (COUNTS, "0 lines with data: at least two are needed"),
        (COUNTS + b"0,5\n", "1 lines with data: at least two are needed"),
        (counted(0, 0, 0), "there are no requests in its longest stretch without a gap"),
        (counted(None, None), "there is no value in any line"),
        (AZURE.replace(b"\n", b",NumImages\n"), "line 1: nobody knows here what numimages means: take it out"),
        (b"timestamp_s,tokens\n0,1\n", "line 1: the header must name timestamp_s, requests; requests is not there"),
        (b"timestamp_s,requests,requests\n0,1,2\n", "line 1: requests is there more than once"),
        (b"timestamp_s,requests,pods\n0,1,2\n", "line 1: nobody knows here what pods means"),
        (b"TIMESTAMP,ContextTokens\n", "line 1: the header must name timestamp, contexttokens, generatedtokens"),
        (AZURE + b"2023-11-16 18:15:46,374\n", "line 2: 2 cells where the header has 3"),
        (
            AZURE + b"2023-11-16 18:15:46,374,44\n2023-02-31 18:15:46,374,44\n",
            "line 3: timestamp '2023-02-31 18:15:46' must be a date",
        ),
        (AZURE + b"now,374,44\n", "line 2: timestamp 'now' must be a date and time"),
        (AZURE + b"1950-01-01 00:00:00,374,44\n", "line 2: timestamp '1950-01-01 00:00:00' is before 1970"),
        (AZURE + b"9999-01-01 00:00:00,374,44\n", "line 2: timestamp '9999-01-01 00:00:00' is not before 2100"),
        (AZURE + b"2023-11-16 18:15:46,-1,44\n", "line 2: contexttokens '-1' is negative"),
        (AZURE + b"2023-11-16 18:15:46,1.5,44\n", "line 2: contexttokens '1.5' is no whole number"),
        (AZURE + b"2023-11-16 18:15:46,1,10000001\n", "line 2: generatedtokens '10000001' is more than 10,000,000 tokens"),
        (AZURE + b"2023-11-16 18:15:46,1,nan\n", "line 2: generatedtokens 'nan' must be a finite number"),
        (AZURE + b"2023-11-16 18:15:46,1,\n", "line 2: generatedtokens '' must be a number"),
        (
            AZURE + b"2023-11-16 18:25:47,1,1\n2023-11-16 18:15:46,1,1\n",
            "line 3: timestamp '2023-11-16 18:15:46' is more than 600 s",
        ),
        (BURSTGPT + b"5,m,1,0,1,l\n", "there are no requests: 1 rows have no answer (0 tokens)"),
        (BURSTGPT + b"1700158546680,m,1,1,1,l\n", "line 2: timestamp '1700158546680' is too large for a time in seconds"),
        (BURSTGPT + b"-5,m,1,1,1,l\n", "line 2: timestamp '-5' is before 1970, or negative"),
        (b"{}\n", "line 1: timestamp must be a number"),
        (b'{"timestamp": 1, "input_length": 1, "output_length": 1}\n{"timestamp": 1', "line 2: this is no JSON object"),
        (b'{"timestamp": 1, "input_length": 1, "output_length": 1}\n[1]\n', "line 2: this is no JSON object"),
        (b'{"timestamp": 1, "input_length": true, "output_length": 1}\n', "line 1: input_length must be a number"),
        (b'{"timestamp": 1, "input_length": 1, "output_length": 1, "turn": 2}\n', "line 1: nobody knows here what 'turn' means"),
        (b'{"timestamp": 1e300, "input_length": 1, "output_length": 1}\n', "is too large for a time in milliseconds"),
        (counted(1, -2, 3), "line 3: requests '-2' is negative: mend the value, or leave it empty for a gap"),
        (counted(1, float("inf"), 3), "line 3: requests 'inf' must be a finite number"),
        (COUNTS + b"0,1\n60,two\n", "line 3: requests 'two' must be a number"),
        (COUNTS + b"0,1\n,2\n", "line 3: timestamp_s '' must be a number"),
        (COUNTS + b"0,1\n120,1\n60,1\n", "line 4: timestamp_s '60' is earlier than the line before it: sort"),
        (COUNTS + b"0,1\n60,1\n60,2\n", "line 4: timestamp_s '60' is there twice: keep one line for each step"),
        (COUNTS + b"0,1\n60,1\n120,1\n130,1\n180,1\n240,1\n", "line 5: 10 s after the line before, where the usual step is 60 s"),
        (COUNTS + b"0,1\n15000,1\n30000,1\n", "line 3: lines are 15000 s apart, and 3600 s are the most: convert milliseconds"),
        (COUNTS + b"1700158545000,1\n1700158560000,1\n", "line 2: timestamp_s '1700158545000' is after the year 2100: convert"),
        (COUNTS + b"0,1\n0.1,1\n0.2,1\n", "line 3: 0.1 s after the line before: add the counts up"),
        (COUNTS + b"0,1\n1,1\n2,1\n3000000000,1\n", "line 5: 3e+09 s after the line before: mend its time"),
        (b"timestamp_s,requests,prompt_tokens\n0,100,5\n60,100,5\n", "prompt_tokens adds up to 0.05 for each request"),
        (b"timestamp_s,requests\n0,\xff\n", "line 2: this is not UTF-8 text"),
        (gzip.compress(AZURE + b"2023-11-16 18:15:46,374,44\n" * 9)[:-12], "the file is damaged or ends early, fetch it again"),
        (b"\x1f\x8b\x08 nonsense", "the file is damaged or ends early, fetch it again"),
        (AZURE + b'2023-11-16 18:15:46,"3,44\n', "line 2: this is no line of CSV"),
        (b"x" * 3_000_000, "line 1: longer than 1048576 bytes"),
    ],
    # Whatever the content, by a number: what gzip writes differs from one process to the next.
    ids=itertools.count(),
)
def test_bad_input_is_refused_by_line_with_a_remedy(content: bytes, why: str) -> None:
    told = refused(content)

    assert told.startswith("load.csv")
    assert why in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"none.csv: cannot be opened"):
        reading.read(tmp_path / "none.csv")
    with pytest.raises(WorkloadError, match="cannot be opened"):
        reading.read(tmp_path)


def test_a_file_is_read_as_its_content_and_called_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "evening.jsonl.gz"
    file.write_bytes(gzip.compress(b'{"timestamp": 0, "input_length": 3, "output_length": 4}\n'))

    log, found = reading.read(file)

    assert log.name == "evening"
    assert found.file == str(file)


_CELLS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "60", "nan", "1e999", "1e15", "2023-11-16 18:15:46", "0001-01-01", '"', "{", "é", "\x00"]),
    st.text(max_size=6),
    st.integers().map(str),
    st.floats().map(str),
)
_HEADERS = st.sampled_from([AZURE, BURSTGPT, COUNTS, b"timestamp_s,requests,prompt_tokens,output_tokens\n"])
_TABLES = st.tuples(_HEADERS, st.lists(st.lists(_CELLS, min_size=2, max_size=6).map(",".join), max_size=5).map("\n".join)).map(
    lambda both: both[0] + both[1].encode()
)
_OBJECTS = st.lists(
    st.dictionaries(
        st.sampled_from(["timestamp", "input_length", "output_length"]), st.integers() | st.floats() | st.text(max_size=3)
    ),
    max_size=4,
).map(lambda rows: "\n".join(map(repr, rows)).replace("'", '"').encode())


@given(st.one_of(st.binary(max_size=200), _TABLES, _OBJECTS, st.binary(max_size=60).map(lambda tail: b"\x1f\x8b" + tail)))
@example(b"[" * 100_000)
@example(b'{"timestamp":' + b"[" * 100_000)
@example(b'{"timestamp": 1, "input_length": ' + b"9" * 5000 + b', "output_length": 1}')
def test_whatever_the_bytes_they_are_a_workload_or_an_error_of_ours(content: bytes) -> None:
    with contextlib.suppress(WorkloadError):
        workload, found = reading.parse(content, FILE)

        assert found.rows >= 1
        assert workload.duration_s >= 0


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**6)), min_size=2, max_size=60), st.sampled_from([15, 60, 600]))
def test_counts_that_are_written_are_read_as_they_were(values: list[int | None], step_s: int) -> None:
    try:
        load, found = rates(counted(*values, step_s=step_s))
    except WorkloadError:
        return

    first = len(load.past)
    for slot, value in enumerate(values[:first]):
        assert np.isnan(load.past[slot]) if value is None else load.past[slot] == value / step_s
    for slot, value in enumerate(values[first : first + len(load.per_s)]):
        assert value is None or load.per_s[slot] == value / step_s
    assert load.start_s == first * step_s
    assert found.rows == len(values)


@given(st.lists(st.tuples(st.integers(0, 59_000), st.integers(1, 10**7), st.integers(0, 10**7)), min_size=1, max_size=40))
def test_the_formats_of_logs_tell_the_same_of_the_same_requests(rows: list[tuple[int, int, int]]) -> None:
    rows = sorted(rows)
    azure = AZURE + b"".join(b"2024-05-10 00:00:%06.3f,%d,%d\n" % (at / 1000, prompt, output) for at, prompt, output in rows)
    burstgpt = BURSTGPT + b"".join(b"%.3f,m,%d,%d,0,l\n" % (at / 1000, prompt, output) for at, prompt, output in rows)
    mooncake = b"".join(b'{"timestamp":%d,"input_length":%d,"output_length":%d}\n' % row for row in rows)
    answered = [row for row in rows if row[2] > 0]
    if not answered:
        return

    read = [requests(content)[0] for content in (azure, burstgpt, mooncake)]

    for log in read:
        assert log.at.tolist() == pytest.approx([(at - answered[0][0]) / 1000 for at, _, _ in answered], abs=1e-6)
        assert log.prompt_tokens.tolist() == [prompt for _, prompt, _ in answered]
        assert log.output_tokens.tolist() == [output for _, _, output in answered]


@pytest.mark.skipif(FOLDER is None, reason="LEADTIME_TRACES names no folder of traces")
def test_every_trace_in_the_folder_of_the_environment_is_read() -> None:
    files = sorted(
        file for file in Path(FOLDER or ".").rglob("*") if file.name.endswith((".csv", ".csv.gz", ".jsonl", ".jsonl.gz"))
    )

    assert files
    for file in files:
        workload, found = reading.read(file)
        assert found.rows > 0
        assert workload.duration_s > 0
