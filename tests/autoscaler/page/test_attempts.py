"""Attempts to sign in that were refused: counted by address, for a minute, and in a table that has an end."""

from autoscaler.page import attempts
from autoscaler.page.attempts import Attempts


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_twenty_refusals_end_it_for_their_address_and_for_no_other() -> None:
    tried = Attempts(clock=Clock())

    for _ in range(attempts.MOST):
        assert tried.allowed("10.0.0.1")
        tried.refused("10.0.0.1")

    assert not tried.allowed("10.0.0.1")
    assert tried.allowed("10.0.0.2")


def test_a_refusal_counts_for_a_minute() -> None:
    clock = Clock()
    tried = Attempts(clock=clock)
    for _ in range(attempts.MOST):
        tried.refused("10.0.0.1")
        clock.now += 1.0

    clock.now = 1000.0 + attempts.WITHIN_S  # the first one is as old as that

    assert tried.allowed("10.0.0.1")
    tried.refused("10.0.0.1")
    assert not tried.allowed("10.0.0.1")


def test_the_address_that_was_refused_longest_ago_is_forgotten_where_there_are_too_many() -> None:
    tried = Attempts(clock=Clock())
    for address in ("first", "second"):
        for _ in range(attempts.MOST):
            tried.refused(address)
    tried.refused("first")

    for number in range(1023):
        tried.refused(str(number))

    assert len(tried) == 1024
    assert (tried.allowed("first"), tried.allowed("second")) == (False, True)
