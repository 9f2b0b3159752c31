"""The GPUs that each scaler holds, what they have come to, and what its pods wait for, as a page that Prometheus reads."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoscaler.cost.account import Account
from autoscaler.cost.census import Census, Waiting
from autoscaler.cost.hardware import Hardware
from autoscaler.cost.prices import Prices
from autoscaler.report import text


@dataclass(frozen=True, slots=True)
class Usage:
    """One scaler's; *labels* are those of all its series."""

    labels: str
    census: Census
    account: Account


def page(usages: Sequence[Usage], prices: Prices | None) -> bytes:
    """Return all series of *usages* and of *prices* in the text format. What has no price has no series of money."""
    families = (
        text.family("leadtime_waiting_pods", "Pods on their way, by what they wait for.", _waiting(usages)),
        text.family("leadtime_gpus", "GPUs that are held.", _held(usages)),
        text.family("leadtime_gpu_seconds_total", "Time for which GPUs were held.", _gpu_seconds(usages), "counter"),
        text.family("leadtime_cost_total", "What the GPUs that were held have cost.", _money(usages), "counter"),
        text.family("leadtime_gpu_hour_price", "What a GPU costs in an hour.", _prices(prices)),
    )
    return "".join(families).encode()


def _waiting(usages: Sequence[Usage]) -> Iterator[str]:
    for one in usages:
        for cause, pods in zip(Waiting._fields, one.census.waiting, strict=True):
            yield f'leadtime_waiting_pods{{{one.labels},cause="{cause}"}} {pods}\n'


def _held(usages: Sequence[Usage]) -> Iterator[str]:
    """Yield a line for each state of all hardware that was ever held: what is held no longer is 0, and not unknown."""
    for one in usages:
        now = {(state, hardware): gpus for state, hardware, gpus in one.census.holdings}
        for state, hardware in list(one.account.gpu_s):
            gpus = now.get((state, hardware), 0)
            yield f'leadtime_gpus{{{one.labels},state="{state}",{_of(hardware)}}} {gpus}\n'


def _gpu_seconds(usages: Sequence[Usage]) -> Iterator[str]:
    for one in usages:
        for (state, hardware), seconds in list(one.account.gpu_s.items()):
            yield f'leadtime_gpu_seconds_total{{{one.labels},state="{state}",{_of(hardware)}}} {seconds}\n'


def _money(usages: Sequence[Usage]) -> Iterator[str]:
    for one in usages:
        for (hardware, currency), money in list(one.account.money.items()):
            yield f'leadtime_cost_total{{{one.labels},{_of(hardware)},currency="{currency}"}} {money}\n'


def _prices(prices: Prices | None) -> Iterator[str]:
    if prices is not None:
        for hardware, price in prices.per_hour.items():
            yield f'leadtime_gpu_hour_price{{{_of(hardware)},currency="{prices.currency}"}} {price}\n'


def _of(hardware: Hardware) -> str:
    return f'gpu="{text.escaped(hardware.gpu)}",capacity="{hardware.capacity}"'
