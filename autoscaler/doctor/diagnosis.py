"""Everything that there is to say, the worst first."""

from autoscaler.doctor import gpus, installation, scalers
from autoscaler.doctor.finding import Finding, Level
from autoscaler.doctor.seen import Seen

_ORDER = tuple(Level)


def diagnose(seen: Seen) -> tuple[Finding, ...]:
    """Return what is wrong in *seen*, each thing once: errors, warnings, what could not be looked at, and notes."""
    found = dict.fromkeys((*installation.check(seen), *scalers.check(seen), *gpus.check(seen)))
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.level)))
