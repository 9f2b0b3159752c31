"""Sessions: opaque, bounded in time and number, and of no use to who reads our memory's keys."""

from autoscaler.page import sessions
from autoscaler.page.sessions import Sessions


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_session_stands_for_its_token_until_it_ends() -> None:
    clock = Clock()
    kept = Sessions(clock=clock)
    name = kept.open("the-token")

    assert kept.token(name) == "the-token"
    clock.now += sessions.LIFETIME_S
    assert kept.token(name) is None


def test_a_name_that_was_not_given_out_is_nobody() -> None:
    assert Sessions(clock=Clock()).token("guessed") is None


def test_a_closed_session_is_over_and_closing_it_again_does_nothing() -> None:
    kept = Sessions(clock=Clock())
    name = kept.open("the-token")

    kept.close(name)
    kept.close(name)

    assert kept.token(name) is None


def test_names_are_long_and_never_the_same() -> None:
    kept = Sessions(clock=Clock())

    names = {kept.open("the-token") for _ in range(50)}

    assert len(names) == 50
    assert min(map(len, names)) >= 43  # 256 bits


def test_there_are_never_more_than_so_many_and_the_oldest_goes() -> None:
    kept = Sessions(clock=Clock())
    first = kept.open("first")

    for number in range(sessions.MOST):
        last = kept.open(str(number))

    assert len(kept) == sessions.MOST
    assert kept.token(first) is None
    assert kept.token(last) == str(sessions.MOST - 1)


def test_a_name_is_not_kept_as_it_is() -> None:
    kept = Sessions(clock=Clock())
    name = kept.open("the-token")

    assert name.encode() not in kept._sessions
