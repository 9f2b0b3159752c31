"""What is to happen, in the order of time."""

from autoscaler.simulation.agenda import Agenda


def test_the_earliest_comes_first_and_what_is_due_together_comes_in_the_order_of_its_putting_down() -> None:
    agenda, told = Agenda(), []
    for at, name in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b"), (9.0, "later")):
        agenda.put(at, lambda now, name=name: told.append((now, name)))  # type: ignore[misc]

    for at, act in agenda.due(3.0):
        act(at)

    assert told == [(1.0, "a"), (2.0, "b"), (3.0, "c"), (3.0, "d")]


def test_what_is_put_down_meanwhile_happens_if_it_is_due() -> None:
    agenda, told = Agenda(), []
    agenda.put(1.0, lambda now: agenda.put(now + 1.0, told.append))
    agenda.put(1.5, lambda now: agenda.put(now + 9.0, told.append))

    for at, act in agenda.due(5.0):
        act(at)

    assert told == [2.0]
