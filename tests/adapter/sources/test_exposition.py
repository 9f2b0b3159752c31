"""Reading exposition pages: what is wanted is read exactly, what is not wanted never matters."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, parser
from prometheus_client.openmetrics import exposition as openmetrics_exposition
from prometheus_client.openmetrics import parser as openmetrics_parser

from adapter.metric import Row
from adapter.sources import exposition
from adapter.sources.exposition import LabelCache, LabelSet

NAMES = ("vllm:num_requests_waiting", "DCGM_FI_DEV_GPU_UTIL", "up", "up_time", "a")

label_values = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
numbers = st.one_of(st.floats(), st.integers(-(2**53), 2**53).map(float))


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@st.composite
def lines(draw: st.DrawFn) -> str:
    blanks = st.sampled_from(("", " ", "\t "))
    labels = draw(st.dictionaries(st.sampled_from(("pod", "le", "model_name", "_x9")), label_values, max_size=3))
    pairs = ",".join(f'{draw(blanks)}{name}{draw(blanks)}={draw(blanks)}"{escaped(value)}"' for name, value in labels.items())
    block = "" if not labels and draw(st.booleans()) else f"{{{pairs}{draw(st.sampled_from(('', ','))) if labels else ''}}}"
    value = draw(numbers)
    stamp = draw(st.one_of(st.none(), st.integers(0, 2**45)))
    return f"{draw(st.sampled_from(NAMES))}{draw(blanks)}{block} {value}{'' if stamp is None else f' {stamp}'}"


def parse(page: str | bytes, *names: str, **options: object) -> exposition.Exposition:
    return exposition.parse(page, names, **({"at": 100.0, "openmetrics": False} | options))


def comparable(labels: dict[str, str], value: float, at: float) -> tuple[object, ...]:
    return (tuple(sorted(labels.items())), repr(float(value)), at)


# --- laws ---


@given(st.lists(lines(), max_size=4).map("\n".join))
def test_a_generated_page_reads_as_prometheus_client_reads_it(page: str) -> None:
    expected: dict[str, dict[str, tuple[object, ...]]] = {}
    for family in parser.text_string_to_metric_families(page):
        for sample in family.samples:
            at = 100.0 if sample.timestamp is None else sample.timestamp
            row = comparable(sample.labels, sample.value, at)
            expected.setdefault(sample.name, {}).setdefault(repr(sorted(sample.labels.items())), row)

    found = parse(page, *NAMES)

    assert found.problems == ()
    # The same labels in other words (another order, another blank) stand twice in ours: compare the first of each.
    read: dict[str, dict[str, tuple[object, ...]]] = {}
    for name, rows in found.rows.items():
        for row in rows:
            key = repr(sorted(row.labels.items()))
            read.setdefault(name, {}).setdefault(key, comparable(dict(row.labels), row.value, row.at))
    assert read == expected


@given(st.lists(st.lists(lines(), max_size=4), min_size=2, max_size=3))
def test_what_earlier_pages_taught_changes_no_later_page(pages: list[list[str]]) -> None:
    cache = LabelCache()
    for page in ("\n".join(page) for page in pages):
        remembered = parse(page, *NAMES, cache=cache)
        fresh = parse(page, *NAMES)

        # repr, because NaN is not equal to itself
        assert repr(remembered) == repr(fresh)


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_raise_anything_but_the_declared_error(body: bytes, is_openmetrics: bool) -> None:
    try:
        parse(body, *NAMES, openmetrics=is_openmetrics)
    except exposition.ExpositionError:
        assert is_openmetrics


@given(
    st.lists(
        st.sampled_from(
            [
                *NAMES,
                "{",
                "}",
                '"',
                "\\",
                ",",
                "=",
                " ",
                "\t",
                "\n",
                "\r\n",
                "#",
                "le",
                "1",
                "-",
                "NaN",
                "_",
                "é",
                "\x00",
                '{"up"',
                "\ud800",
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_no_crooked_line_raises_or_hides_the_good_one_behind_it(page: str) -> None:
    found = parse(f"{page}\nsentinel 7\n", "sentinel", *NAMES)

    assert found.rows["sentinel"] == [Row({}, 7.0, 100.0)]


# --- examples ---


def test_only_the_wanted_names_are_read_and_no_name_that_merely_begins_alike() -> None:
    page = 'up 1\nup_time 2\nup_created 3\nup:rate 4\nxup 5\nup{a="b"} 6\n# HELP up 7\n# up 8\n'

    assert parse(page, "up").rows == {"up": [Row({}, 1.0, 100.0), Row({"a": "b"}, 6.0, 100.0)]}


def test_a_histograms_name_brings_its_buckets_but_neither_sum_count_nor_created() -> None:
    registry = CollectorRegistry()
    Histogram("ttft_seconds", "", buckets=(0.5, 1.0), registry=registry).observe(0.7)

    found = parse(generate_latest(registry), "ttft_seconds").rows

    assert {name: [(row.labels["le"], row.value) for row in rows] for name, rows in found.items()} == {
        "ttft_seconds_bucket": [("0.5", 0.0), ("1.0", 1.0), ("+Inf", 1.0)]
    }


def test_an_openmetrics_page_reads_as_prometheus_client_reads_it() -> None:
    registry = CollectorRegistry()
    Counter("done", "", ["why"], registry=registry).labels('st"op\\').inc(5, exemplar={"trace_id": "abc # } 1"})
    Gauge("depth", "", registry=registry).set(math.inf)
    Histogram("ttft_seconds", "", buckets=(0.5, 1.0), registry=registry).observe(0.7, exemplar={"trace_id": "d"})
    page = openmetrics_exposition.generate_latest(registry).decode()
    expected = {
        (sample.name, tuple(sample.labels.items()), sample.value)
        for family in openmetrics_parser.text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name in {"done_total", "depth", "ttft_seconds_bucket"}
    }

    found = parse(page, "done_total", "depth", "ttft_seconds", openmetrics=True)

    assert len(expected) == 5
    assert {(name, tuple(row.labels.items()), row.value) for name, rows in found.rows.items() for row in rows} == expected
    assert found.problems == ()


@pytest.mark.parametrize(
    ("is_openmetrics", "stamp", "at"), [(False, "1700000000500", 1700000000.5), (True, "1700000000.5", 1700000000.5)]
)
def test_a_lines_own_time_is_milliseconds_in_classic_text_and_seconds_in_openmetrics(
    is_openmetrics: bool, stamp: str, at: float
) -> None:
    found = parse(f'up{{a="b"}} 3 {stamp}\n# EOF\n', "up", openmetrics=is_openmetrics)

    assert found.rows == {"up": [Row({"a": "b"}, 3.0, at)]}


def test_an_openmetrics_page_without_its_end_is_refused_as_cut_off() -> None:
    with pytest.raises(exposition.ExpositionError, match="cut off"):
        parse("up 1\n", "up", openmetrics=True)


@pytest.mark.parametrize("spelled", ["NaN", "+Inf", "-Inf", "Inf", "1e3", "-0"])
def test_values_that_are_no_finite_number_are_kept_for_the_rules_to_judge(spelled: str) -> None:
    (row,) = parse(f"up {spelled}\n", "up").rows["up"]

    assert repr(row.value) == repr(float(spelled))


@pytest.mark.parametrize(
    "line",
    [
        "up",
        "up one",
        "up 1_000",
        'up{a="b} 1',
        "up{a=b} 1",
        'up{a="b"',
        'up{a="b" c="d"} 1',
        'up{a="b",a="c"} 1',
        "up{ 1",
        "up 1 noon",
        "up 1 NaN",
    ],
)
def test_a_wanted_line_that_cannot_be_read_is_reported_and_harms_no_other(line: str) -> None:
    found = parse(f'depth 1\n{line}\ndepth{{x="y"}} 2\n', "up", "depth")

    assert found.problems == (exposition.LineProblem(2, line),)
    assert [row.value for row in found.rows["depth"]] == [1.0, 2.0]


def test_an_unwanted_line_that_cannot_be_read_is_nobodys_business() -> None:
    assert parse('broken{a="b 1\nup 1\nalso broken\n', "up") == exposition.Exposition({"up": [Row({}, 1.0, 100.0)]})


def test_a_problem_shows_its_line_number_and_no_more_than_80_characters() -> None:
    (problem,) = parse(b'# one\n\nup{a="\xff"} ' + b"x" * 200, "up").problems

    assert problem.line == 3
    assert len(problem.text) == 80
    assert problem.text.startswith('up{a="?"} xxx')


def test_label_text_that_is_not_utf8_is_a_problem_and_not_a_guess() -> None:
    found = parse(b'up{pod="a\xff"} 1\nup{pod="b"} 2\n', "up")

    assert [row.labels["pod"] for row in found.rows["up"]] == ["b"]
    assert len(found.problems) == 1


def test_a_series_that_stands_twice_in_the_same_words_counts_once_and_the_first_wins() -> None:
    assert [row.value for row in parse('up{a="b"} 1\nup{a="b"} 2\n', "up").rows["up"]] == [1.0]


def test_windows_line_ends_and_a_missing_last_one_are_forgiven() -> None:
    assert [row.value for row in parse('up{a="b"} 1\r\nup 2', "up").rows["up"]] == [1.0, 2.0]


def test_quoted_names_of_prometheus_3_are_read() -> None:
    page = '{"kn.revision.request.queued",pod="a"} 4\n{"kn.revision.request.queued",pod="b"} 5\n{"other.name"} 6\n'

    found = parse(page, "kn.revision.request.queued")

    rows = found.rows["kn.revision.request.queued"]
    assert [(dict(row.labels), row.value) for row in rows] == [({"pod": "a"}, 4.0), ({"pod": "b"}, 5.0)]


def test_steady_pages_share_their_label_sets_and_forget_those_that_are_gone() -> None:
    cache = LabelCache()
    first = parse('up{pod="a"} 1\nup{pod="b"} 1\n', "up", cache=cache).rows["up"]

    second = parse('up{pod="a"} 2\n', "up", cache=cache).rows["up"]

    assert second[0].labels is first[0].labels
    assert list(cache.known) == ['{pod="a"}']


def test_what_a_page_says_can_be_merged_with_what_is_known_of_its_target() -> None:
    cache = LabelCache(lambda labels: LabelSet({**labels, "node": "n1"}))

    assert parse('up{pod="a"} 1\n', "up", cache=cache).rows["up"][0].labels == {"pod": "a", "node": "n1"}


def test_equal_label_sets_are_one_key_whatever_their_order() -> None:
    assert {LabelSet(a="1", b="2"): "found"}[LabelSet(b="2", a="1")] == "found"


@given(st.sets(st.text("ab_:", min_size=1, max_size=5), min_size=1, max_size=12))
def test_every_wanted_name_is_found_among_names_that_begin_alike(names: set[str]) -> None:
    pages = sorted(names | {f"{name}x" for name in names})

    found = parse("".join(f"{name} 1\n" for name in pages), *names)

    assert set(found.rows) == names | {name for name in pages if name.removesuffix("_bucket") in names}
