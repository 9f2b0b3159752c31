"""A recorded decision explained: taken again from its record alone, told in sentences, with what it would be otherwise.

The command line prints these sentences and the web page shows them: there is one place that makes them.
"""

from dataclasses import dataclass

from adapter.snapshot import rfc3339
from autoscaler.decision import pipeline
from autoscaler.decision.model import Decision, Record
from autoscaler.report import counterfactual, narrate, replay
from autoscaler.report.counterfactual import Otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One decision, taken again."""

    name: str
    record: Record
    decision: Decision
    others: tuple[Otherwise, ...]

    @property
    def reproduced(self) -> bool:
        """Return whether it came out as it was recorded."""
        return replay.integers(self.decision) == replay.integers(self.record.decision)

    @property
    def beginning(self) -> str:
        """Return when it was, and what was there."""
        return f"{rfc3339(self.decision.at)} {self.record.observation.replicas} replicas were there"

    @property
    def verdict(self) -> str:
        """Return whether it came out as it was recorded, in words."""
        again, recorded = self.decision.replicas, self.record.decision.replicas
        outcome = "as it was recorded" if self.reproduced else f"and {recorded} was recorded"
        return f"taken again from the record alone: {again}, {outcome}"

    def lines(self) -> list[str]:
        """Return the whole of it in lines."""
        return [self.beginning, *narrate.text(self.name, self.decision, self.record.policy, self.others), self.verdict]


def of(record: Record) -> Explained:
    """Take the decision of *record* again, from the record alone, and explain it."""
    decision, _ = pipeline.decide(record.policy, record.observation, record.before)
    others = counterfactual.of(record.policy, record.observation, record.before, decision)
    return Explained(name=record.target, record=record, decision=decision, others=others)
