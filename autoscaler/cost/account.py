"""How long GPUs have been held, and what that has cost: one account for each scaler, kept by whoever leads.

What was held at one look counts until the next look. Where that is more than `LONGEST_GAP_S` away nobody has looked, and nothing is
counted: time is not made up. An account begins with the first look of whoever leads, so a restart or a change of leader counts no
second twice. The figures of the day alone go on: they stand in the scaler's status, from where the next leader takes them over.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from autoscaler.cost.census import Holding, State
from autoscaler.cost.hardware import Hardware
from autoscaler.cost.prices import Prices

#: Between two looks. A target is looked at every 15 s at least, and every 30 s while it makes trouble.
LONGEST_GAP_S = 60.0

_HOUR_S = 3600.0
_DAY_S = 86_400
_CENT = Decimal("0.01")
_MONEY = re.compile(r"(>?)(\d{1,12}\.\d\d) ([A-Z]{3})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """What a scaler has used since midnight, UTC, as far as somebody looked."""

    day: dt.date
    gpu_hours: float
    cost: float | None = None
    """None where nothing that was held has a price."""
    currency: str = ""
    whole: bool = True
    """Whether all that was held has a price; otherwise it costs more than *cost*."""

    @property
    def money(self) -> str | None:
        """Return the cost for people, rounded half up: ``31.20 USD``, or ``>31.20 USD`` where it is not whole."""
        if self.cost is None:
            return None
        amount = Decimal(f"{self.cost:.6f}").quantize(_CENT, ROUND_HALF_UP)  # without the noise of what was added up
        return f"{'' if self.whole else '>'}{amount} {self.currency}"


@dataclass(slots=True)
class Account:
    """One scaler's. Seconds, and money in the currencies of the prices that there were."""

    gpu_s: dict[tuple[State, Hardware], float] = field(default_factory=dict)
    money: dict[tuple[Hardware, str], float] = field(default_factory=dict)
    holdings: tuple[Holding, ...] = ()
    _looked_at: float | None = None
    _day: int = -1  # since 1970
    _day_gpu_s: float = 0.0
    _day_money: float | None = None
    _day_currency: str = ""
    _day_whole: bool = True

    def look(self, holdings: tuple[Holding, ...], prices: Prices | None, *, now: float) -> None:
        """Count what was held until *now*, and hold *holdings* from now on."""
        day = int(now // _DAY_S)
        if day != self._day:
            self._day, self._day_gpu_s, self._day_money, self._day_currency, self._day_whole = day, 0.0, None, "", True
        if self._looked_at is not None and 0.0 < now - self._looked_at <= LONGEST_GAP_S:
            self._count(now - self._looked_at, min(now - self._looked_at, now - day * _DAY_S), prices)
        self._looked_at = now
        if holdings != self.holdings:
            self.holdings = holdings
            self._open(prices)

    def _count(self, elapsed_s: float, today_s: float, prices: Prices | None) -> None:
        """Count *elapsed_s*, of which *today_s* are of this day."""
        for state, hardware, gpus in self.holdings:
            self.gpu_s[state, hardware] += gpus * elapsed_s
            self._day_gpu_s += gpus * today_s
            price = prices.of(hardware) if prices is not None else None
            if prices is None or price is None:
                self._day_whole = False
                continue
            account = hardware, prices.currency
            self.money[account] = self.money.get(account, 0.0) + gpus * elapsed_s / _HOUR_S * price
            self._count_today(gpus * today_s / _HOUR_S * price, prices.currency)

    def _count_today(self, money: float, currency: str) -> None:
        if self._day_money is None:
            self._day_money, self._day_currency = 0.0, currency
        elif self._day_currency != currency:
            self._day_money, self._day_currency, self._day_whole = 0.0, currency, False  # what was paid before is not converted
        self._day_money += money

    def _open(self, prices: Prices | None) -> None:
        """Have what is counted begin at zero, in every state: a reader of a counter sees only how it has grown."""
        for _, hardware, _ in self.holdings:
            for state in State:
                self.gpu_s.setdefault((state, hardware), 0.0)
            if prices is not None and prices.of(hardware) is not None:
                self.money.setdefault((hardware, prices.currency), 0.0)

    @property
    def today(self) -> Today | None:
        """Return the day's figures; None before the first look."""
        if self._looked_at is None:
            return None
        return Today(
            day=dt.date(1970, 1, 1) + dt.timedelta(days=self._day),
            gpu_hours=self._day_gpu_s / _HOUR_S,
            cost=self._day_money,
            currency=self._day_currency,
            whole=self._day_whole,
        )

    @classmethod
    def restored(cls, status: Mapping[str, Any]) -> "Account":
        """Return an account that goes on with the day's figures in a scaler's *status*; those that make no sense are left out."""
        account = cls()
        try:
            day = dt.date.fromisoformat(str(status.get("today")))
            hours = float(status.get("gpuHoursToday", 0.0))
        except (TypeError, ValueError):
            return account
        if not 0.0 <= hours < float("inf"):
            return account
        account._day = (day - dt.date(1970, 1, 1)).days
        account._day_gpu_s = hours * _HOUR_S
        if (found := _MONEY.fullmatch(str(status.get("costToday") or ""))) is not None:
            over, amount, account._day_currency = found.groups()
            account._day_money, account._day_whole = float(amount), not over
        else:
            account._day_whole = hours == 0.0
        return account
