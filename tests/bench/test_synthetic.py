"""A grown package is one that the loader takes, and the same each time; what was measured on such keeps the limits."""

import pandas as pd
from synthetic import GROWS, grow

from retribution.dataset import DATA, load


def test_a_grown_package_keeps_the_rules(tmp_path):
    grow(tmp_path / "one", 3)
    grow(tmp_path / "two", 3)
    real, grown = load(), load(tmp_path / "one")
    assert grown.fingerprint == load(tmp_path / "two").fingerprint
    for name in GROWS - {"distinct"}:
        assert len(getattr(grown, name)) == 3 * len(getattr(real, name)), name
    assert len(grown.distinct) >= 3 * len(real.distinct)
    assert grown.reports["supports"].nunique() == 3 * real.reports["supports"].nunique()
    pd.testing.assert_series_equal(grown.events["origins"].value_counts(), 3 * real.events["origins"].value_counts())


def test_a_million_rows_were_loaded_within_the_limits():
    at = pd.read_csv(DATA.parent / "chapters" / "growth.csv").dropna(subset="factor").pivot(index="factor", columns="measure", values="value")
    million = at[at["rows"] >= 1e6].iloc[0]
    assert million["load"] + million["derive"] <= 20  # seconds of the processor
    assert million["memory"] <= 2000  # MB
