"""Counting events whose dates are ranges, rebuilding others' counts, and distances to a border."""

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
