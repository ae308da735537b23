"""How often each test of ``stats`` finds what is not there: ``python -m retribution.simulations`` writes the table.

Every series here is made without the effect that is tested for, but with the bursts and seasons of the attacks in
Iraq: 85 weeks, about 170 events, variance two to four times the mean. A test that holds its level finds an effect in
about 5% of them.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import poisson_means_test

from . import stats

TABLE = Path(__file__).resolve().parents[1] / "chapters" / "simulations.csv"
WEEKS, CUT, RATE, SERIES = 85, 34, 2.0, 400


def bursts(rng, ratio):
    """Return weekly counts of mean ``RATE`` in bursts of about a month, with a variance ``ratio`` times the mean."""
    months = -(-WEEKS // 4)
    shape = RATE / (ratio - 1)
    return rng.poisson(np.repeat(rng.gamma(shape, RATE / shape, months), 4)[:WEEKS])


def seasons(rng, number):
    """Return ``number`` days in two years that share a season with any other series, and nothing else."""
    day = np.arange(730)
    weight = 1 + 0.9 * np.sin(2 * np.pi * day / 240)
    return pd.Timestamp("2019-05-01") + pd.to_timedelta(rng.choice(day, number, p=weight / weight.sum()), unit="D")


def share_answered(first, then, shift):
    """Return the p of the share of ``first`` answered within a week, against 400 draws of ``shift(then)``."""
    def share(days):
        days = np.sort(days)
        return np.mean(np.searchsorted(days, first, "right") < np.searchsorted(days, first + 7, "right"))

    null = np.array([share(shift(then)) for _ in range(400)])
    return (np.sum(null >= share(then)) + 1) / (len(null) + 1)


def run():
    """Return one row per test and kind of series: the share of ``SERIES`` series in which p < 0.05."""
    rows = []
    for ratio in (2.0, 4.0):
        rng = np.random.default_rng(1)
        found = {"Poisson": [], "negative binomial": [], "negative binomial, sums of 4 weeks": [], "shuffled blocks of 4 weeks": []}
        for _ in range(SERIES):
            weeks = bursts(rng, ratio)
            before, after = weeks[:CUT], weeks[CUT:]
            found["Poisson"].append(poisson_means_test(before.sum(), len(before), after.sum(), len(after)).pvalue)
            found["negative binomial"].append(stats.before_and_after(before, after)[3])
            months = [part[: len(part) // 4 * 4].reshape(-1, 4).sum(axis=1) for part in (before, after)]
            found["negative binomial, sums of 4 weeks"].append(stats.before_and_after(*months)[3])
            found["shuffled blocks of 4 weeks"].append(stats.shuffled_blocks(before, after, draws=499)[2])
        rows += [("before and after", test, f"bursts, variance {ratio:.0f} times the mean", p) for test, p in found.items()]
    rng = np.random.default_rng(2)
    found = {"shuffle over the whole span": [], "shift the series round": [], "move each by up to 28 days": []}
    for _ in range(SERIES):
        first, then = (seasons(rng, number).to_numpy("datetime64[D]").astype(int) for number in (40, 130))
        start, span = min(first.min(), then.min()), 730
        found["shuffle over the whole span"].append(share_answered(first, then, lambda days: start + rng.integers(0, span, len(days))))
        found["shift the series round"].append(share_answered(first, then, lambda days: start + (days - start + rng.integers(0, span)) % span))
        found["move each by up to 28 days"].append(share_answered(first, then, lambda days: days + rng.integers(-28, 29, len(days))))
    rows += [("answer within a week", test, "one season, no answers", p) for test, p in found.items()]
    table = pd.DataFrame([(question, test, series, SERIES, np.mean(np.array(p) < 0.05)) for question, test, series, p in rows], columns=["question", "test", "series", "runs", "found"])
    table["error"] = np.sqrt(table["found"] * (1 - table["found"]) / SERIES)
    return table.round(3)


if __name__ == "__main__":
    table = run()
    table.to_csv(TABLE, index=False)
    print(table.to_string(index=False))
    print(f"{TABLE.name}: {len(table)} rows from {SERIES} made-up series each.")
