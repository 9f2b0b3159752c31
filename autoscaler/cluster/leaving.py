"""The pods that were asked to terminate and are not gone: they serve nobody, and hold their GPUs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from adapter.selector import Selector
from autoscaler.seen import PodSeen

_Label = tuple[str, str]
_ANY: _Label = ("", "")  # no label has an empty name


@dataclass(slots=True)
class Leaving:
    """Such pods by namespace and by each of their labels: there are few, except when many targets shrink at once."""

    _found: dict[str, dict[_Label, dict[str, PodSeen]]] = field(default_factory=dict)

    def any(self, namespace: str) -> bool:
        """Return whether there is one in *namespace*."""
        return namespace in self._found

    def select(self, namespace: str, wanted: Selector, equalities: Sequence[_Label]) -> list[PodSeen]:
        """Return those that *wanted* matches; *equalities* are labels that have to have one value for that."""
        by_label = self._found.get(namespace, {})
        narrowest = min((by_label.get(label, {}) for label in equalities or (_ANY,)), key=len)
        return [pod for pod in narrowest.values() if wanted.matches(pod.labels)]

    def put(self, pod: PodSeen) -> None:
        """Add *pod*, which is not there yet."""
        by_label = self._found.setdefault(pod.namespace, {})
        for label in (_ANY, *pod.labels.items()):
            by_label.setdefault(label, {})[pod.name] = pod

    def remove(self, pod: PodSeen) -> None:
        """Take *pod* away, as it was put."""
        by_label = self._found[pod.namespace]
        for label in (_ANY, *pod.labels.items()):
            pods = by_label[label]
            del pods[pod.name]
            if not pods:
                del by_label[label]
        if not by_label:
            del self._found[pod.namespace]
