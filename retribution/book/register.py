"""The register: every event, claim and source at an address of its own, and the roles that point there.

``{register}`2020-q1``` in MyST is the directive that lists a quarter's events; ``claims`` and ``sources`` list
those. The roles ``{event}``, ``{claim}`` and ``{source}`` link to one entry, by its id or as ``text <id>``; an unknown
id is a warning, and warnings are fatal.
"""

import re
from functools import cache
from html import escape
from types import SimpleNamespace

import pandas as pd
from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective

from .. import load, stats
from ..dataset import MEASURES, quarter

log = logging.getLogger(__name__)


@cache
def _data():
    return load()


@cache
def _index():
    """Return look-ups that every entry needs: reports with their sources by event, titles, names."""
    data = _data()
    reports = stats.documented(data).sort_values(["published", "source_id"])
    return SimpleNamespace(
        reports=dict(list(reports.groupby("event_id"))),
        titles=data.events.set_index("event_id")["title"].to_dict(),
        actors=data.actors.set_index("actor_id")["name"].to_dict(),
        places=data.places.set_index("place_id")[["name", "country"]].agg(lambda p: ", ".join(dict.fromkeys(p)), axis=1).to_dict(),
        answers=data.events.groupby("responds_to")["event_id"].apply(list).to_dict(),
        claims=data.evidence.groupby("event_id")["claim_id"].apply(lambda c: sorted(set(c))).to_dict(),
        backs=data.reports.groupby("source_id")["event_id"].apply(list).to_dict(),
        sources=data.sources.set_index("source_id"),
        changes=data.corrections.assign(event=data.corrections["row"].str.split(" / ").str[0]).groupby("event")["reason"].apply(lambda r: sorted(set(r))).to_dict(),
        ties=data.outlets.set_index("outlet")["tie"].to_dict(),
    )


def _address(kind, name):
    page = quarter(name) if kind == "event" else f"{kind}s"
    return f"register/{page}.html#{name}"


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


class _Role(ReferenceRole):
    def run(self):
        table = getattr(_data(), self.name + "s")
        known = table[table[f"{self.name}_id"] == self.target]
        if known.empty:
            log.warning("no %s has the id %s", self.name, self.target, location=self.get_location())
            return [nodes.Text(self.title)], []
        row = known.iloc[0]
        text = {"event": lambda: row.title, "claim": lambda: row.claim_id, "source": lambda: f"{row.origin}, {_date(row.published)}"}[self.name]()
        refuri = "../" * self.env.docname.count("/") + _address(self.name, self.target)
        return [nodes.reference("", self.title if self.has_explicit_title else text, refuri=refuri, internal=True)], []


class _Register(SphinxDirective):
    """Entries are written as HTML, every text escaped: as nodes, tens of thousands of cells take Sphinx a minute."""

    required_arguments = 1

    def run(self):
        self.data, self.index, self.up = _data(), _index(), "../" * self.env.docname.count("/")
        which = self.arguments[0]
        if which == "claims":
            return [self._claim(row) for row in self.data.claims.itertuples()]
        if which == "sources":
            return [self._sources()]
        if not re.fullmatch(r"\d{4}-q[1-4]", which):
            raise self.error(f"register takes claims, sources or a quarter such as 2020-q1, not {which}")
        events = self.data.events
        events = events[events["event_id"].map(quarter) == which].sort_values(["date_start", "event_id"])
        if events.empty:
            return [nodes.paragraph("", "The dataset holds no event of this quarter.")]
        retired = self.data.retired[self.data.retired["event_id"].map(quarter) == which]
        return [self._event(row) for row in events.itertuples()] + [self._retired(row) for row in retired.itertuples()]

    def _event(self, event):
        index = self.index
        facts = [when(event), index.places[event.place_id], f"{event.domain}: {event.kind}".replace("_", " "), f"by {index.actors[event.actor_id]}"]
        if pd.notna(event.target_id):
            facts.append(f"to {index.actors[event.target_id]}")
        if pd.notna(event.attribution):
            facts.append(f"attribution: {event.attribution}")
        reports = index.reports[event.event_id]
        measures = [m for m in MEASURES if reports[f"{m}_low"].notna().any()]
        rows = []
        for report in reports.itertuples():
            figures = [escape(interval(getattr(report, m + "_low"), getattr(report, m + "_high"))) for m in measures]
            rows.append([self._link("source", report.source_id, f"{report.origin} ({_date(report.published)})"), *figures, escape(report.supports)])
        body = f'<p class="facts">{escape(" · ".join(facts))}</p><p>{escape(event.summary)}</p>'
        body += _table(["Reported by", *(m.capitalize() for m in measures), "What it backs"], rows)
        if pd.notna(event.responds_to):
            body += self._events("Responds to", [event.responds_to])
        body += self._events("Prompted", index.answers.get(event.event_id))
        body += _line("Bears on", [self._link("claim", c, c) for c in index.claims.get(event.event_id, [])])
        body += _line("Corrected", [escape(reason) for reason in index.changes.get(event.event_id, [])])
        return _section(event.event_id, event.title, body)

    def _retired(self, event):
        body = f"<p>{escape(event.reason)}</p>" + self._events("Stands now as", [event.replaced_by] if pd.notna(event.replaced_by) else [])
        return _section(event.event_id, f"Withdrawn: {event.event_id}", body)

    def _claim(self, claim):
        rows = []
        for piece in self.data.evidence[self.data.evidence["claim_id"] == claim.claim_id].sort_values(["horizon", "bearing"]).itertuples():
            if pd.notna(piece.event_id):
                where = self._link("event", piece.event_id, self.index.titles[piece.event_id])
            else:
                source = self.index.sources.loc[piece.source_id]
                where = self._link("source", piece.source_id, f"{source.origin} ({_date(source.published)})")
            rows.append([piece.horizon, piece.bearing, where, escape(piece.note)])
        verdict = f"On the day: {claim.verdict_day}. In hindsight: {claim.verdict_hindsight}. Confidence: {claim.confidence}."
        body = f"<p>{escape(claim.claim)}</p><p><strong>Rule.</strong> {escape(claim.resolution_rule)}</p><p><strong>{verdict}</strong> {escape(claim.why)}</p>"
        return _section(claim.claim_id, f"{claim.claim_id}, paragraph {claim.paragraph}", body + _table(["Horizon", "Bearing", "Evidence", "How it bears"], rows))

    def _sources(self):
        items = []
        for source in self.data.sources.sort_values(["origin", "published", "source_id"]).itertuples():
            words = f"{source.publisher}, {_date(source.published)}." + (f" Reporting: {source.origin}." if source.origin != source.publisher else "")
            words += "".join(f" {self.index.ties[name]}" for name in dict.fromkeys([source.origin, source.publisher]) if name in self.index.ties)
            items.append(f'<li id="{source.source_id}"><a class="reference external" href="{escape(source.url)}">{escape(source.title)}</a>. {escape(words)}{self._events("Backs", self.index.backs.get(source.source_id))}</li>')
        return nodes.raw("", f'<ul class="sources">{"".join(items)}</ul>', format="html")

    def _link(self, kind, name, text):
        return f'<a class="reference internal" href="{self.up}{_address(kind, name)}">{escape(text)}</a>'

    def _events(self, text, ids):
        return _line(text, [self._link("event", e, self.index.titles[e]) for e in ids or []])


def _section(name, title, body):
    section = nodes.section(ids=[name], names=[name], classes=["entry"])
    section += [nodes.title("", title), nodes.raw("", body, format="html")]
    return section


def _line(text, links):
    return f'<p class="ties"><strong>{text}:</strong> {"; ".join(links)}</p>' if links else ""


def _table(header, rows):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="table-wrapper docutils container"><table class="docutils"><thead>{row(header, "th")}</thead><tbody>{body}</tbody></table></div>'


def setup(app):
    """Add the directive and the three roles."""
    app.add_directive("register", _Register)
    for kind in ("event", "claim", "source"):
        app.add_role(kind, _Role())
