"""Counting events whose dates are ranges, comparing periods, rebuilding others' counts, and distances to a border."""

import numpy as np
import pandas as pd


def attacks(data, country="Iraq"):
    """Return the proxy attacks in ``country`` with their place's columns, sorted by first day."""
    events = data.events.merge(data.places, on="place_id", suffixes=("", "_place"))
    return events[(events["domain"] == "proxy_attack") & (events["country"] == country)].sort_values(["date_start", "event_id"])


def between(events, first, last):
    """Return the events that can have happened from ``first`` to ``last``: their range of days overlaps it."""
    return events[(events["date_start"] <= pd.Timestamp(last)) & (events["date_end"] >= pd.Timestamp(first))]


def certainly(events, first, last):
    """Return the events that certainly happened from ``first`` to ``last``: their range of days lies within it."""
    return events[(events["date_start"] >= pd.Timestamp(first)) & (events["date_end"] <= pd.Timestamp(last))]


def rate(events, first, last):
    """Return events a week from ``first`` to ``last``, counting all that can have happened then."""
    return len(between(events, first, last)) / ((pd.Timestamp(last) - pd.Timestamp(first)).days + 1) * 7


def documented(data):
    """Return the reports with their documents' columns; ``origin`` is that of the report."""
    return data.reports.merge(data.sources.drop(columns="origin"), on="source_id")


def witnesses(data, event_id):
    """Return the reports of one event with their sources' columns, without those whose origin is not stated."""
    rows = documented(data)
    return rows[(rows["event_id"] == event_id) & (rows["origin"] != "Not stated")].reset_index(drop=True)


def weekly(events, first, last):
    """Return a Series of expected events per week (weeks begin on Monday) from ``first`` to ``last``.

    An event dated to a range counts in equal parts on each day it can have happened on, so that the total is
    the number of events and a doubtful date is not hidden in one week.
    """
    spread = events.assign(day=[pd.date_range(a, b) for a, b in zip(events["date_start"], events["date_end"])])
    spread["part"] = 1 / spread["day"].map(len)
    spread = spread.explode("day")
    spread["week"] = pd.to_datetime(spread["day"]).dt.to_period("W-SUN").dt.start_time
    weeks = pd.date_range(pd.Timestamp(first).to_period("W-SUN").start_time, last, freq="7D")
    return spread.groupby("week")["part"].sum().reindex(weeks, fill_value=0.0)


def recount(data, counter):
    """Return (least, most) events in ``data`` that fit the window and filters of one row of ``counters``.

    Least counts the events certainly inside the window, most those that can have been.
    """
    events = data.events.merge(data.places[["place_id", "country"]], on="place_id")
    for column, filters in (("domain", "filter_domain"), ("kind", "filter_kinds"), ("country", "filter_country"), ("target_id", "filter_targets"), ("place_id", "filter_places")):
        if pd.notna(counter[filters]):
            events = events[events[column].isin(counter[filters].split("|"))]
    window = counter["window_start"], counter["window_end"]
    return len(certainly(events, *window)), len(between(events, *window))


def border_km(lat, lon, outline):
    """Return the distance in km from a point to the nearest point of a GeoJSON MultiPolygon's edge.

    Each edge is cut into 100 steps and the haversine distance (mean radius 6,371 km) to each step is taken,
    which for edges of a degree errs by less than a kilometre; the outline's own generalisation errs by more.
    """
    best = np.inf
    for polygon in outline["coordinates"]:
        for ring in polygon:
            ring = np.radians(np.array(ring, dtype=float))
            step = np.linspace(0, 1, 100)[:, None, None]
            points = (ring[:-1] * (1 - step) + ring[1:] * step).reshape(-1, 2)
            phi, lam = np.radians(lat), np.radians(lon)
            h = np.sin((points[:, 1] - phi) / 2) ** 2 + np.cos(phi) * np.cos(points[:, 1]) * np.sin((points[:, 0] - lam) / 2) ** 2
            best = min(best, 2 * 6371 * np.arcsin(np.sqrt(h.min())))
    return float(best)


def seen_only_by(data, sides):
    """Return the event_ids that every report ascribes to an origin whose ``alignment`` is one of ``sides``."""
    within = data.reports["alignment"].isin(sides).groupby(data.reports["event_id"]).all()
    return set(within.index[within])


def chao(times):
    """Return a lower bound on the number of events, from how many origins reported each that is recorded.

    Bias-corrected Chao1 (Chao 1987). It assumes that origins report independently of each other; where some
    events are easier to see than others, the truth lies above it.
    """
    once, twice = (times == 1).sum(), (times == 2).sum()
    return len(times) + once * (once - 1) / (2 * (twice + 1))


def before_and_after(before, after):
    """Return (ratio, low, high, p): the rate of ``after`` over that of ``before``, with its 95% interval.

    The two are counts of equal spans. Negative binomial regression on an indicator of the second period (Hilbe 2011,
    by ``statsmodels``): it allows a variance above the mean but takes the spans to be independent, which weeks of a
    series in bursts are not: give it sums of four weeks.
    """
    from statsmodels.discrete.discrete_model import NegativeBinomial  # two seconds that most notebooks need not wait

    counts = np.rint(np.concatenate([before, after])).astype(int)
    design = np.column_stack([np.ones(len(counts)), np.repeat([0.0, 1.0], [len(before), len(after)])])
    fit = NegativeBinomial(counts, design).fit(disp=0, maxiter=200)
    low, high = fit.conf_int()[1]
    return float(np.exp(fit.params[1])), float(np.exp(low)), float(np.exp(high)), float(fit.pvalues[1])


def shuffled_blocks(before, after, width=4, draws=9999, seed=20200103):
    """Return (difference, null, p): mean a week of ``after`` minus ``before``, and that of shuffled blocks of weeks.

    Whole blocks of ``width`` weeks change places, so that bursts stay together (after Good 2005); a last, shorter
    block of either period is left out. It assumes that blocks are exchangeable where nothing changed.
    """
    def blocks(weeks):
        weeks = np.asarray(weeks, dtype=float)
        return weeks[: len(weeks) // width * width].reshape(-1, width).mean(axis=1)

    first, second = blocks(before), blocks(after)
    pool = np.concatenate([first, second])
    rng = np.random.default_rng(seed)
    order = rng.permuted(np.tile(pool, (draws, 1)), axis=1)
    null = order[:, len(first) :].mean(axis=1) - order[:, : len(first)].mean(axis=1)
    seen = second.mean() - first.mean()
    return float(seen), null, float((np.sum(np.abs(null) >= abs(seen) - 1e-12) + 1) / (draws + 1))


def answered(acts, replies, within=7, jitter=28, draws=2000, seed=20200103):
    """Return (share, null, p): of ``acts``, the share with one of ``replies`` in the ``within`` days after it.

    Both are days. The null moves each reply on its own by up to ``jitter`` days either way, which keeps the seasons
    of both series and breaks only their order from day to day. Jitter tests of spike trains do the same (Amarasingham
    et al. 2012). p is one-sided: more replies than chance within the season would bring.
    """
    first = pd.DatetimeIndex(acts).to_numpy("datetime64[D]").astype(int)
    then = np.sort(pd.DatetimeIndex(replies).to_numpy("datetime64[D]").astype(int))

    def share(days):
        days = np.sort(days)
        return float(np.mean(np.searchsorted(days, first, "right") < np.searchsorted(days, first + within, "right")))

    rng = np.random.default_rng(seed)
    null = np.array([share(then + rng.integers(-jitter, jitter + 1, len(then))) for _ in range(draws)])
    seen = share(then)
    return seen, null, float((np.sum(null >= seen - 1e-12) + 1) / (draws + 1))


def drawn_days(events, draws=1000, seed=20200103):
    """Return an array (draws, events) of days, each drawn evenly from the range on which the event can have been."""
    first = events["date_start"].to_numpy("datetime64[D]")
    length = (events["date_end"] - events["date_start"]).dt.days.to_numpy() + 1
    rng = np.random.default_rng(seed)
    return first + (rng.random((draws, len(events))) * length).astype("timedelta64[D]")


def total_of(events, measure, draws=4000, seed=20200103):
    """Return (low, middle, high): the sum of ``measure`` over ``events`` with the sources' disagreement carried through.

    Each event's figure is drawn from a triangle over its low, best and high; events without a figure count nothing.
    Low and high are the 2.5% and 97.5% quantiles of the sum: it assumes that events err independently.
    """
    given = events[[f"{measure}_low", f"{measure}_best", f"{measure}_high"]].dropna().to_numpy(dtype=float)
    low, best, high = given.T
    rng = np.random.default_rng(seed)
    wide = high > low
    drawn = np.tile(best, (draws, 1))
    drawn[:, wide] = rng.triangular(low[wide], best[wide], high[wide], (draws, wide.sum()))
    return tuple(float(value) for value in np.quantile(drawn.sum(axis=1), [0.025, 0.5, 0.975]))
