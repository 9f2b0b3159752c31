"""What-if: another value for any field of the spec, named by its path and checked as the object is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoscaler.errors import InvalidScalerError
from autoscaler.simulation.backtest import whatif
from autoscaler.simulation.backtest.whatif import Setting
from tests.autoscaler.simulation.backtest import scalers

_NAMES = st.text("abcXYZ019", min_size=1, max_size=6).filter(lambda name: name[0].isalpha() and name != "spec")
_PATHS = st.tuples(_NAMES, st.lists(st.one_of(_NAMES, st.integers(0, 99)), max_size=5)).map(lambda told: (told[0], *told[1]))


@given(_PATHS, st.one_of(st.integers(), st.booleans(), st.none(), st.text("abcdef", min_size=1)))
def test_a_setting_is_read_as_it_is_printed(path: tuple[str | int, ...], value: Any) -> None:
    setting = Setting(path, value)

    assert whatif.parse(str(setting)) == setting


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("warmPool.max=3", ("warmPool", "max"), 3),
        ("spec.warmPool.max=3", ("warmPool", "max"), 3),
        ("forecast.mode=Off", ("forecast", "mode"), "Off"),  # YAML would read false
        ("urgent.disabled=true", ("urgent", "disabled"), True),
        ("idle=null", ("idle",), None),
        ('metrics[0].pods.target.averageValue="0.8"', ("metrics", 0, "pods", "target", "averageValue"), "0.8"),
        ("metrics[0].pods.target.averageValue=500m", ("metrics", 0, "pods", "target", "averageValue"), "500m"),
    ],
)
def test_paths_and_values_are_spelled_as_in_manifests(text: str, path: tuple[str | int, ...], value: object) -> None:
    assert whatif.parse(text) == Setting(path, value)


@pytest.mark.parametrize(
    "text", ["warmPool.max", "=3", "warm pool=3", "warmPool..max=3", "warmPool.=3", "[0]=3", "a.[0]=3", "a[x]=1"]
)
def test_what_is_no_setting_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidScalerError, match=r"warmPool\.max"):
        whatif.parse(text)


def test_the_document_itself_stays_as_it_is() -> None:
    document = scalers.document()

    changed = whatif.applied(document, [whatif.parse("warmPool.max=3"), whatif.parse("metrics[0].pods.target.averageValue=60")])

    assert document == scalers.document()
    assert changed["spec"]["warmPool"] == {"max": 3}
    assert changed["spec"]["metrics"][0]["pods"]["target"]["averageValue"] == 60


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("metrics[1].type=Pods", r"spec\.metrics\[1\]: is not there: spec\.metrics has 1"),
        ("maxReplicas.most=3", "spec.maxReplicas: has no field most"),
        ("metrics.type=Pods", r"spec\.metrics: has no field type: say which entry, as in \[0\]"),
        ("maxReplicas[0]=3", r"spec\.maxReplicas: is no list"),
    ],
)
def test_a_path_through_what_is_not_there_names_the_place(text: str, told: str) -> None:
    with pytest.raises(InvalidScalerError, match=told):
        whatif.applied(scalers.document(), [whatif.parse(text)])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("warmPool.maximum=3", "spec.warmPool.maximum: is not a known field: check its spelling"),
        ("warmPool.max=8", "spec.warmPool.max: 8 of maxReplicas 8 leaves no replica to serve: keep it below"),
        ("forecast.quantile=1.5", "spec.forecast.quantile: must be less than 1"),
    ],
)
def test_what_the_object_may_not_say_is_refused_with_its_path(text: str, told: str) -> None:
    with pytest.raises(InvalidScalerError) as refused:
        scalers.read(whatif.applied(scalers.document(), [whatif.parse(text)]))

    assert [str(problem) for problem in refused.value.problems] == [told]
