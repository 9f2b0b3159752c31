"""What a forecast has bought is told from the pods that came before the jump, and from when the load itself would have asked."""

from typing import Any

from autoscaler.sandbox.lead import Lead
from autoscaler.sandbox.moment import Prospect, State

JUMP = 30.0


def asked(
    before: int, after: int, rule: str = "Forecast", why: str = "up to 4.5 replicas' worth is forecast within 8 s"
) -> dict[str, Any]:
    steps = [{"rule": "Demand", "before": before, "after": before}, {"rule": rule, "before": before, "after": after, "why": why}]
    return {"from": before, "to": after, "steps": steps}


def pods(serving: str = "", starting: str = "") -> dict[str, State]:
    return {**dict.fromkeys(serving, State.SERVING), **dict.fromkeys(starting, State.STARTING)}


def followed() -> Lead:
    """Return a lead of two pods, asked for 7 s before the jump and ready 2.5 s before it."""
    lead = Lead(JUMP)
    lead.note(20.0, pods("ab"), Prospect(offered=1.6))
    lead.change(asked(2, 4), 23.0)
    lead.note(23.0, pods("ab", "cd"), Prospect(offered=1.6))
    lead.note(27.5, pods("abc", "d"), Prospect(offered=1.6))
    lead.note(29.5, pods("abcd"), Prospect(offered=1.6))
    return lead


def test_pods_that_are_ready_before_the_jump_are_in_time() -> None:
    lead = followed()

    lead.note(31.0, pods("abcd"), Prospect(offered=6.8))

    assert lead.in_time
    assert (lead.asked, lead.ready, lead.asked_at, lead.ready_at, lead.signals_at) == (2, 2, 23.0, 27.5, 31.0)
    # The load was more than two pods serve a second after the jump, and a start-up takes 4 s.
    assert lead.words() == (
        "2 pods asked for 7.0 s before the burst, 2 ready at it, the first 2.5 s before;"
        " the load itself would have had them 5.0 s after it, at the earliest"
    )


def test_a_pod_that_is_ready_long_after_the_jump_is_not_in_time() -> None:
    lead = Lead(JUMP)
    lead.note(28.0, pods("a"), Prospect())
    lead.change(asked(1, 2), 29.0)

    lead.note(33.0, pods("ab"), Prospect())

    assert not lead.in_time
    assert "a pod asked for 1.0 s before the burst, the first ready 3.0 s after it" in lead.words()


def test_what_the_signals_ask_for_is_no_lead() -> None:
    lead = Lead(JUMP)
    lead.note(20.0, pods("a"), Prospect())

    lead.change(asked(1, 2, rule="Demand"), 23.0)
    lead.change(asked(1, 2, rule="WarmPool", why="1 more are kept warm"), 24.0)
    lead.note(29.0, pods("ab"), Prospect())

    assert not lead.in_time
    assert lead.words() == "no pod was asked for ahead of the burst"


def test_pods_that_were_asked_for_long_before_or_after_the_jump_are_not_for_it() -> None:
    lead = Lead(JUMP)

    lead.change(asked(1, 2), 10.0)
    lead.change(asked(2, 3), 31.0)

    assert lead.asked_at is None


def test_a_pod_that_is_seen_before_its_entry_of_the_trail_is_a_new_one_all_the_same() -> None:
    lead = Lead(JUMP)
    lead.note(20.0, pods("ab"), Prospect())
    lead.note(22.0, pods("ab", "c"), Prospect())

    lead.change(asked(2, 3), 23.0)
    lead.note(28.0, pods("abc"), Prospect())

    assert lead.ready_at == 28.0
