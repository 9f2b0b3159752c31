"""A single run: the same outcome as in the matrix, and every change of it."""

import pytest

from autoscaler.simulation import fleet
from autoscaler.simulation.compare import cases, entries, families, ledger, matrix
from autoscaler.simulation.compare.cases import Case, Part, Preparation
from autoscaler.simulation.compare.matrix import Cell
from autoscaler.simulation.workload import Rates
from autoscaler.simulation.world import World


@pytest.fixture(scope="module")
def case() -> Case:
    load = [5.0] * 30 + [20.0] * 20 + [5.0] * 10
    return cases.prepare(Rates("jump", 60, load), World(), 5.7, Preparation(test_s=1800.0, peak_pods=6))


@pytest.mark.parametrize("name", ["hpa", "leadtime"])
def test_watching_a_run_changes_nothing_and_tells_each_change(case: Case, name: str) -> None:
    entry = entries.default(families.chosen([name])[0])

    outcome, changes = ledger.told(case, entry, 0, fleet.simulate)

    again = matrix.run(Cell(case=0, part=Part.TEST, entry=entry, seed=0), [case], fleet.simulate)
    assert outcome == again
    assert len(changes) == outcome.changes > 0
    assert all(change.before != change.after for change in changes)


def test_our_own_changes_come_with_their_reasons(case: Case) -> None:
    _, changes = ledger.told(case, entries.default(families.chosen(["leadtime"])[0]), 0, fleet.simulate)

    assert all(change.why for change in changes)
