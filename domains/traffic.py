"""A simulator of the example domains' traffic: customers, their card payments, and a drift in the middle.

What it makes (all from one seed, so that every run is the same):

- customers: a segment (basic, plus, business), a monthly credit limit, a made-up e-mail; some change segment later.
- payments: each customer pays at a rate of its own; amounts are lognormal; three channels
  (shop 60 %, online 30 %, atm 10 %); hours follow the day.
- fraud before the drift: large amounts at night, mostly at atm. About 1.5 % of payments.
- **drift** from `DRIFT_DAY` on: people buy online (channel shares turn around), amounts rise by half, fraud moves to
  middling amounts online, by day. A model that learned the old fraud misses the new one; data drift shows in `channel`,
  `amount` and what derives from them.

Nothing here is taken from real people.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["DRIFT_DAY", "START", "Traffic"]

START = datetime(2026, 1, 1, tzinfo=UTC)
DRIFT_DAY = 42
_SEGMENTS = ("basic", "plus", "business")
_CHANNELS = ("shop", "online", "atm")
_HOURS = np.array([1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 9, 10, 11, 10, 9, 9, 9, 10, 10, 8, 6, 4, 3, 2], dtype=float)


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """The simulated world; `payments_of` is the same for the same day whatever was asked before."""

    customer_count: int = 1500
    payments_per_day: int = 1500
    seed: int = 7

    def customers(self) -> pd.DataFrame:
        """One row per customer and change of profile, in the columns of customers/profiles/source.yaml."""
        rng = np.random.default_rng(self.seed)
        ids = np.arange(1, self.customer_count + 1)
        segments = rng.choice(_SEGMENTS, self.customer_count, p=(0.6, 0.3, 0.1))
        first = pd.DataFrame({"customer_id": ids, "changed_at": START - timedelta(days=30), "segment": segments})
        movers = rng.choice(ids, self.customer_count // 20, replace=False)
        later = first[first.customer_id.isin(movers)].assign(segment="plus", changed_at=START + timedelta(days=30))
        found = pd.concat([first, later], ignore_index=True)
        limits = found.segment.map({"basic": 1500.0, "plus": 4000.0, "business": 15000.0})
        found["credit_limit"] = (limits * rng.lognormal(0, 0.2, len(found))).round(-1)
        found["email"] = [f"person{number}@example.org" for number in found.customer_id]
        return found[["customer_id", "changed_at", "email", "segment", "credit_limit"]]

    def payments_of(self, first_day: int, last_day: int) -> pd.DataFrame:
        """Payments of days first..last (from 0, last left out), in the columns of payments/transactions/source.yaml."""
        return pd.concat([self._day(day) for day in range(first_day, last_day)], ignore_index=True)

    def _day(self, day: int) -> pd.DataFrame:
        rng = np.random.default_rng((self.seed, day))
        drifted = day >= DRIFT_DAY
        count = int(rng.poisson(self.payments_per_day))
        activity = np.random.default_rng(self.seed + 1).pareto(2.5, self.customer_count) + 0.2
        customer = rng.choice(self.customer_count, count, p=activity / activity.sum()) + 1
        channel = rng.choice(_CHANNELS, count, p=(0.25, 0.68, 0.07) if drifted else (0.6, 0.3, 0.1))
        amount = rng.lognormal(3.3, 0.9, count) * (1.5 if drifted else 1.0)
        hour = rng.choice(24, count, p=_HOURS / _HOURS.sum())
        fraud = self._is_fraud(rng, amount, channel, hour, drifted=drifted)
        second = hour * 3600 + rng.integers(0, 3600, count)
        order = np.argsort(second, kind="stable")
        day_start = START + timedelta(days=day)
        return pd.DataFrame(
            {
                "transaction_id": day * 1_000_000 + np.arange(count),
                "paid_at": [day_start + timedelta(seconds=int(value)) for value in second[order]],
                "customer_id": customer[order],
                "channel": channel[order],
                "amount": np.clip(amount[order], 0.5, 9000).round(2),
                "is_fraud": fraud[order].astype(int),
            }
        )

    @staticmethod
    def _is_fraud(
        rng: np.random.Generator, amount: np.ndarray, channel: np.ndarray, hour: np.ndarray, *, drifted: bool
    ) -> np.ndarray:
        night = (hour <= 5) | (hour >= 22)
        if drifted:
            risk = np.where((channel == "online") & (amount > 80) & (amount < 160) & ~night, 0.3, 0.002)
        else:
            risk = np.where(night & (amount > 40), 0.22, np.where((channel == "atm") & (amount > 80), 0.12, 0.002))
        return np.asarray(rng.random(len(amount)) < risk)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """A landing file, times in UTC with seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, date_format="%Y-%m-%d %H:%M:%S")
