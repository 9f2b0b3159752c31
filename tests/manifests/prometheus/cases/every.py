"""Every case, by its alert."""

from collections.abc import Mapping, Sequence

from tests.manifests.prometheus.cases import Case, daemons, engines, gpus, scalers, signals

CASES: Sequence[Case] = (*engines.CASES, *gpus.CASES, *scalers.CASES, *signals.CASES, *daemons.CASES)


def by_alert() -> Mapping[str, Sequence[Case]]:
    """Return the cases of each alert that has any."""
    found: dict[str, list[Case]] = {}
    for case in CASES:
        found.setdefault(case.alert, []).append(case)
    return found
