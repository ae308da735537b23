"""The register: every event, claim and source at an address of its own, and the roles that point there.

``{register}`2020-q1``` in MyST is the directive that lists a quarter's events; ``claims`` and ``sources`` list
those. The roles ``{event}``, ``{claim}`` and ``{source}`` link to one entry; an unknown id is a warning, and
warnings are fatal.
"""

import re
from functools import cache
from types import SimpleNamespace

import pandas as pd
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from .. import load
from ..dataset import MEASURES

log = logging.getLogger(__name__)


@cache
def _data():
    return load()


@cache
def _index():
    """Return look-ups that every entry needs: reports with their sources by event, titles, names."""
    data = _data()
    reports = data.reports.merge(data.sources, on="source_id").sort_values(["published", "source_id"])
    return SimpleNamespace(
        reports=dict(list(reports.groupby("event_id"))),
        titles=data.events.set_index("event_id")["title"].to_dict(),
        actors=data.actors.set_index("actor_id")["name"].to_dict(),
        places=data.places.set_index("place_id")[["name", "country"]].agg(lambda p: ", ".join(dict.fromkeys(p)), axis=1).to_dict(),
        answers=data.events.groupby("responds_to")["event_id"].apply(list).to_dict(),
        claims=data.evidence.groupby("event_id")["claim_id"].apply(lambda c: sorted(set(c))).to_dict(),
        backs=data.reports.groupby("source_id")["event_id"].apply(list).to_dict(),
        sources=data.sources.set_index("source_id"),
    )


def _quarter(event_id):
    return f"{event_id[:4]}-q{(int(event_id[5:7]) + 2) // 3}"


def _address(kind, name):
    page = _quarter(name) if kind == "event" else f"{kind}s"
    return f"register/{page}.html#{name}"


def link(kind, name, text, up):
    """Return a reference node to the register entry ``name`` of ``kind`` (event, claim, source)."""
    return nodes.reference("", text, refuri=up + _address(kind, name), internal=True, classes=[kind])


def _date(day):
    return "undated" if pd.isna(day) else f"{day.day} {day:%B %Y}"


def when(event):
    """Return the local date of an event in words, a range where it is one."""
    first, last = event.date_start, event.date_end
    if event.date_precision != "day":
        return f"{event.date_precision} of {_date(first)}"
    return _date(first) if first == last else f"{_date(first)} to {_date(last)}"


def interval(low, high):
    """Return "none given", "5", "at least 5" or "3 to 5"."""
    if pd.isna(low):
        return "none given"
    if pd.isna(high):
        return f"at least {low}"
    return f"{low}" if low == high else f"{low} to {high}"


class _Role(SphinxRole):
    def run(self):
        table = getattr(_data(), self.name + "s")
        known = table[table[f"{self.name}_id"] == self.text]
        if known.empty:
            log.warning("no %s has the id %s", self.name, self.text, location=self.get_location())
            return [nodes.Text(self.text)], []
        row = known.iloc[0]
        text = {"event": lambda: row.title, "claim": lambda: row.claim_id, "source": lambda: f"{row.origin}, {_date(row.published)}"}[self.name]()
        return [link(self.name, self.text, text, "../" * self.env.docname.count("/"))], []


class _Register(SphinxDirective):
    required_arguments = 1

    def run(self):
        self.data, self.up = _data(), "../" * self.env.docname.count("/")
        which = self.arguments[0]
        if which == "claims":
            return [self._claim(row) for row in self.data.claims.itertuples()]
        if which == "sources":
            return self._sources()
        if not re.fullmatch(r"\d{4}-q[1-4]", which):
            raise self.error(f"register takes claims, sources or a quarter such as 2020-q1, not {which}")
        events = self.data.events
        events = events[events["event_id"].map(_quarter) == which].sort_values(["date_start", "event_id"])
        if events.empty:
            return [nodes.paragraph("", "The dataset holds no event of this quarter.")]
        return [self._event(row) for row in events.itertuples()]

    def _section(self, name, title, body):
        section = nodes.section(ids=[name], names=[name], classes=["entry"])
        section += [nodes.title("", title), *body]
        return section

    def _events_line(self, text, ids):
        return self._line(text, [link("event", e, _index().titles[e], self.up) for e in ids])

    def _event(self, event):
        index = _index()
        facts = [when(event), index.places[event.place_id], f"{event.domain}: {event.kind}".replace("_", " "), f"by {index.actors[event.actor_id]}"]
        if pd.notna(event.target_id):
            facts.append(f"to {index.actors[event.target_id]}")
        if pd.notna(event.attribution):
            facts.append(f"attribution: {event.attribution}")
        body = [nodes.paragraph("", " · ".join(facts), classes=["facts"]), nodes.paragraph("", event.summary)]
        reports = index.reports[event.event_id]
        measures = [m for m in MEASURES if reports[f"{m}_low"].notna().any()]
        rows = []
        for report in reports.itertuples():
            cite = link("source", report.source_id, f"{report.origin} ({_date(report.published)})", self.up)
            rows.append([cite, *(nodes.Text(interval(getattr(report, m + "_low"), getattr(report, m + "_high"))) for m in measures), nodes.Text(report.supports)])
        body.append(_table(["Reported by", *(m.capitalize() for m in measures), "What it backs"], rows))
        if pd.notna(event.responds_to):
            body.append(self._events_line("Responds to", [event.responds_to]))
        if event.event_id in index.answers:
            body.append(self._events_line("Prompted", index.answers[event.event_id]))
        if event.event_id in index.claims:
            body.append(self._line("Bears on", [link("claim", c, c, self.up) for c in index.claims[event.event_id]]))
        return self._section(event.event_id, event.title, body)

    def _claim(self, claim):
        data = self.data
        body = [nodes.paragraph("", claim.claim)]
        body.append(nodes.paragraph("", "", nodes.strong("", "Rule. "), nodes.Text(claim.resolution_rule)))
        body.append(nodes.paragraph("", "", nodes.strong("", f"On the day: {claim.verdict_day}. In hindsight: {claim.verdict_hindsight}. Confidence: {claim.confidence}. "), nodes.Text(claim.why)))
        index = _index()
        rows = []
        for piece in data.evidence[data.evidence["claim_id"] == claim.claim_id].sort_values(["horizon", "bearing"]).itertuples():
            if pd.notna(piece.event_id):
                where = link("event", piece.event_id, index.titles[piece.event_id], self.up)
            else:
                source = index.sources.loc[piece.source_id]
                where = link("source", piece.source_id, f"{source.origin} ({_date(source.published)})", self.up)
            rows.append([nodes.Text(piece.horizon), nodes.Text(piece.bearing), where, nodes.Text(piece.note)])
        body.append(_table(["Horizon", "Bearing", "Evidence", "How it bears"], rows))
        return self._section(claim.claim_id, f"{claim.claim_id}, paragraph {claim.paragraph}", body)

    def _sources(self):
        data, out = self.data, nodes.bullet_list(classes=["sources"])
        for source in data.sources.sort_values(["origin", "published", "source_id"]).itertuples():
            item = nodes.list_item("", ids=[source.source_id])
            words = f". {source.publisher}, {_date(source.published)}." + (f" Reporting: {source.origin}." if source.origin != source.publisher else "")
            item += nodes.paragraph("", "", nodes.reference("", source.title, refuri=source.url), nodes.Text(words))
            if source.source_id in _index().backs:
                item += self._events_line("Backs", _index().backs[source.source_id])
            out += item
        return [out]

    @staticmethod
    def _line(text, links):
        line = nodes.paragraph("", "", nodes.strong("", text + ": "), classes=["ties"])
        for n, node in enumerate(links):
            line += [nodes.Text("; "), node] if n else [node]
        return line


def _table(header, rows):
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row(nodes.Text(h) for h in header))
    group += nodes.tbody("", *(_row(row) for row in rows))
    return nodes.table("", group)


def _row(cells):
    return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


def setup(app):
    """Add the directive and the three roles."""
    app.add_directive("register", _Register)
    for kind in ("event", "claim", "source"):
        app.add_role(kind, _Role())
