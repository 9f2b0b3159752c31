"""What the GPUs of a demo have cost, as the autoscaler counts it: read from its own metrics at the beginning and at the end."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Bill:
    """How long GPUs were held, in any state, and the money by its currency."""

    gpu_s: float = 0.0
    money: Mapping[str, float] = field(default_factory=dict)

    def since(self, before: "Bill") -> "Bill":
        """Return what has come to it since *before*."""
        money = {currency: amount - before.money.get(currency, 0.0) for currency, amount in self.money.items()}
        return Bill(self.gpu_s - before.gpu_s, money)

    def words(self, *, scale: float) -> str:
        """Return it in words, where a second stands for *scale* of them."""
        held = f"{self.gpu_s * scale / _HOUR_S:.1f} GPU-hours"
        if not self.money:
            return f"{held}, at prices that nobody has told"
        return f"{held}, {' and '.join(f'{amount * scale:.2f} {currency}' for currency, amount in sorted(self.money.items()))}"


def read(page: str) -> Bill:
    """Return the bill of all targets on a *page* of the autoscaler's metrics."""
    lines = [line for line in page.splitlines() if line.startswith(("leadtime_gpu_seconds_total{", "leadtime_cost_total{"))]
    gpu_s, money = 0.0, Counter[str]()
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            if "currency" in sample.labels:
                money[sample.labels["currency"]] += sample.value  # type: ignore[assignment]  # a Counter adds up what it is given
            else:
                gpu_s += sample.value
    return Bill(gpu_s, dict(money))
