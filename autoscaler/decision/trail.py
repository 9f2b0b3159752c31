"""The number on its way through the rules, and the steps that it took: what every part of a decision writes into."""

from autoscaler.decision.model import Rule, Step

NOTHING: frozenset[Rule] = frozenset()


class Trail:
    """A number and how it came about. A rule in *without* leaves no mark: so one asks what it is worth."""

    __slots__ = ("_without", "number", "steps")

    def __init__(self, number: int, why: str, without: frozenset[Rule] = NOTHING) -> None:
        self.number = number
        self.steps = [Step(Rule.START, number, number, why)]
        self._without = without

    def set(self, rule: Rule, after: int, why: str) -> None:
        """Let *rule* make the number *after*, or only say something where that is what it is."""
        if rule in self._without:
            return
        self.steps.append(Step(rule, self.number, after, why))
        self.number = after

    def applies(self, rule: Rule) -> bool:
        """Return whether *rule* is to be applied at all."""
        return rule not in self._without
