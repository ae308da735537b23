"""The register: every event, claim, source, party and place at an address of its own, and the roles that point there.

``{register}`2020-q1``` in MyST is the directive that lists the events of a page of that name; ``places``, a page of
sources, ``claims`` and ``actors`` list those, ``quarters`` and ``sources`` the pages. The roles ``{event}``, ``{claim}``
and ``{source}`` link to one entry, by its id or as ``text <id>``; an unknown id is a warning, and warnings are fatal.
"""

import re
from collections import Counter
from functools import cache
from html import escape
from itertools import groupby
from types import SimpleNamespace

import pandas as pd
from docutils import nodes
from sphinx.domains import Domain, ObjType
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective

from .. import load, stats
from ..dataset import MEASURES, quarter
from ..palette import DOMAINS
from ..shelves import LISTED, NAMES, shelf, shelves
from . import cite

log = logging.getLogger(__name__)

SIDES = {"iran_aligned": "Iran-aligned", "iran_state": "Iranian state", "iraqi_state": "Iraqi state", "us_led": "US-led"}
HORIZONS = {"day": "on the day", "hindsight": "in hindsight"}


kept = []  # the dataset that came with the pages of the last build, where nothing but prose has changed since


@cache
def data():
    """Return the dataset, read once a build."""
    return kept[0] if kept else load()


def _in_order(events):
    """Return events by their day; of one day, what answers another after it."""
    days, before = dict(zip(events["event_id"], events["date_start"])), dict(zip(events["event_id"], events["responds_to"]))

    def steps(event):
        for count in range(9):  # no circle is followed for ever
            cause = before[event]
            if pd.isna(cause) or days[cause] != days[event]:
                break
            event = cause
        return count

    return events.assign(steps=events["event_id"].map(steps)).sort_values(["date_start", "steps", "event_id"]).drop(columns="steps")


@cache
def index():
    """Return look-ups that every entry needs: reports with their sources by event, titles, names."""
    every = data()
    events = _in_order(every.events)
    reports = stats.documented(every).sort_values(["published", "source_id"])

    def lists(keys, values):  # by hand: pandas takes ten times as long
        found = {}
        for name, value in zip(keys, values):
            found.setdefault(name, []).append(value)
        return found

    def ids(column):
        return lists(events[column], events["event_id"])

    def rows(table):
        return lists(table["event_id"], table.itertuples())

    return SimpleNamespace(
        reports=rows(reports),
        events={event.event_id: event for event in events.itertuples()},
        titles=every.events.set_index("event_id")["title"].to_dict(),
        actors=every.actors.set_index("actor_id")["name"].to_dict(),
        places={place.place_id: ", ".join(dict.fromkeys([place.name, place.country])) for place in every.places.itertuples()},
        answers=ids("responds_to"),
        by=ids("actor_id"),
        against=ids("target_id"),
        at=ids("place_id"),
        claims={claim.claim_id: short(claim.claim) for claim in every.claims.itertuples()},
        judged={claim.claim_id: claim for claim in every.claims.itertuples()},
        evidence=rows(every.evidence.dropna(subset="event_id").sort_values(["claim_id", "horizon"])),
        backs=lists(every.reports["source_id"], every.reports["event_id"]),
        sources={source.source_id: source for source in every.sources.itertuples()},
        changes=every.corrections.assign(event=every.corrections["row"].str.split(" / ").str[0]).groupby("event")["reason"].apply(lambda r: sorted(set(r))).to_dict(),
        ties=every.outlets.set_index("outlet")["tie"].to_dict(),
    )


def address(kind, name):
    """Return where the entry of an event, claim, source, actor or place stands within ``register/``."""
    page = shelf(kind, name) if kind in NAMES else f"{kind}s"
    return f"{page}.html#{kind}-{name}" if kind in ("actor", "place") else f"{page}.html#{name}"


def day(date):
    """Return "8 May 2018", or "undated"."""
    return "undated" if pd.isna(date) else f"{date.day} {date:%B %Y}"


def _day(event):
    return f"{event.date_start.day} {event.date_start:%b %Y}"


def _on(page, kind, table):
    """Return the rows of ``table`` whose events, places or sources stand on ``page``."""
    return table[[shelf(kind, name) == page for name in table[f"{kind}_id"]]]


def when(event):
    """Return the local date of an event in words, a range where it is one."""
    first, last = event.date_start, event.date_end
    if event.date_precision == "month":
        return f"{first:%B %Y}"
    if event.date_precision != "day":
        return f"{event.date_precision} of {day(first)}"
    return day(first) if first == last else f"{day(first)} to {day(last)}"


def words_of(kind):
    """Return a kind of event as words, "UN action"."""
    return re.sub(r"^un\b", "UN", kind.replace("_", " "))


def interval(low, high):
    """Return "no exact figure", "5", "at least 5" or "3 to 5"."""
    if pd.isna(low):
        return "no exact figure"
    if pd.isna(high):
        return f"at least {low:,}"
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def best(event, measure):
    """Return the best figure of an event with the lowest and highest, "5 (3 to 7)"; empty where no source gives one."""
    low, middle, high = (getattr(event, f"{measure}_{part}") for part in ("low", "best", "high"))
    if pd.isna(low):
        return ""
    return f"{middle:,}" if low == high else f"{middle:,} ({low:,} to {high:,})"


def short(claim, most=125):
    """Return a claim's words as a title: whole, or cut at the last clause that ends within ``most`` characters, or there."""
    if len(claim) <= most:
        return claim.rstrip(".")
    clauses = [m.start() for m in re.finditer(r"[,;] | and | to | in | very ", claim) if m.start() <= most] or [most]
    return claim[: clauses[-1]] + " …"


class _Role(ReferenceRole):
    def run(self):
        row = {"event": index().events, "claim": index().judged, "source": index().sources}[self.name].get(self.target)
        if row is None:
            log.warning("no %s has the id %s", self.name, self.target, location=self.get_location())
            return [nodes.Text(self.title)], []
        text = {"event": lambda: row.title, "claim": lambda: row.claim_id, "source": lambda: f"{row.origin}, {day(row.published)}"}[self.name]()
        refuri = "../" * self.env.docname.count("/") + "register/" + address(self.name, self.target)
        return [nodes.reference("", self.title if self.has_explicit_title else text, refuri=refuri, internal=True, classes=["card"], **{self.name: self.target})], []


class _Later(nodes.Element):
    """Links of an entry into the chapters, known once every chapter has been read."""


class _Register(SphinxDirective):
    """Entries are written as HTML, every text escaped: as nodes, tens of thousands of cells take Sphinx a minute."""

    required_arguments = 1

    def run(self):
        self.data, self.index = data(), index()
        which = self.arguments[0]
        if which in ("claims", "actors"):
            entry = getattr(self, f"_{which[:-1]}")
            rows = getattr(self.data, which)
            return [entry(row) for row in (rows.sort_values("name", key=lambda names: names.str.casefold()) if which == "actors" else rows).itertuples()]
        if which == "quarters":
            return [self._quarters()]
        if which == "sources":
            return [self._shelves()]
        kind = next((kind for kind in NAMES if which in [page.name for page in shelves(kind)]), None)
        if kind == "source":
            return [self._sources(which)]
        if kind == "place":
            return [self._place(row) for row in _on(which, kind, self.data.places).itertuples()]
        if not kind:
            raise self.error(f"register takes quarters, sources, claims, actors or the name of its page, such as places or 2020-q1, not {which}")
        self.env.metadata[self.env.docname]["tocdepth"] = 2  # the page's own contents name its months, not every event
        entries = [(name, self._event(row)) for name, row in self.index.events.items() if shelf(kind, name) == which]
        entries += [(row.event_id, self._retired(row)) for row in _on(which, kind, self.data.retired).itertuples()]
        months = {}
        for event_id, entry in entries:
            month = months.setdefault(event_id[:7], nodes.section("", nodes.title("", f"{pd.Timestamp(event_id[:7]):%B %Y}"), ids=[event_id[:7]], names=[event_id[:7]]))
            month += entry
        for month in months.values():
            items = [f'<li>{int(entry["ids"][0][8:10])}: <a href="#{entry["ids"][0]}">{escape(entry[0].astext())}</a></li>' for entry in month[1:]]
            month.insert(1, nodes.raw("", f'<details class="ties"><summary>{len(items)} {"entry" if len(items) == 1 else "entries"}, by day</summary><ul>{"".join(items)}</ul></details>', format="html"))
        return list(months.values()) or [nodes.paragraph("", "The dataset holds no event of these days.")]

    def _event(self, event):
        index = self.index
        who = f"by {_link('actor', event.actor_id, index.actors[event.actor_id])}"
        if pd.notna(event.target_id):
            who += f", to {_link('actor', event.target_id, index.actors[event.target_id])}"
        facts = [when(event), _link("place", event.place_id, index.places[event.place_id]), f"{DOMAINS[event.domain][0]}: {escape(words_of(event.kind))}", who]
        if pd.notna(event.attribution):
            facts.append(f"attribution: {event.attribution}")
        reports = index.reports[event.event_id]
        measures = [m for m in MEASURES if any(pd.notna(getattr(report, f"{m}_low")) for report in reports)]
        rows = []
        for report in reports:
            figures = [escape(interval(getattr(report, m + "_low"), getattr(report, m + "_high"))) for m in measures]
            told = _link("source", report.source_id, f"{report.origin} ({day(report.published)})")
            rows.append([f"{told}: {escape(report.supports)}", *figures])
        if measures and len(rows) > 1:
            rows.append([f"<strong>Together, {origins(event)}</strong>: best figure (lowest to highest)", *(best(event, m) for m in measures)])
        body = f'<p class="facts">{" · ".join(facts)}</p><p>{escape(event.summary)}</p>'
        if measures:
            body += _table(["Reported by", *(m.capitalize() for m in measures)], rows)
        else:
            body += f'<p class="ties"><strong>Reported by:</strong></p><ul class="ties">{"".join(f"<li>{told}</li>" for told, in rows)}</ul>'
        if pd.notna(event.responds_to):
            body += self._events("Responds to", [event.responds_to])
        body += self._events("Prompted", index.answers.get(event.event_id))
        body += self._bears(event.event_id)
        body += _line("Corrected", [escape(reason.rstrip(".")) for reason in index.changes.get(event.event_id, [])])
        return _section(event.event_id, event.title, body, _Later(event=event.event_id), nodes.raw("", cite.box(event_record(event)), format="html"))

    def _bears(self, event_id):
        if event_id not in self.index.evidence:
            return ""
        items = ""
        for claim_id, pieces in groupby(self.index.evidence[event_id], lambda piece: piece.claim_id):
            says = "; ".join(f"<em>{piece.bearing}</em> {HORIZONS[piece.horizon]}: {escape(piece.note.rstrip('.'))}" for piece in pieces) + "."
            items += f"<li>{_link('claim', claim_id, f'{claim_id}: {self.index.claims[claim_id]}')}: {says}</li>"
        return f'<p class="ties"><strong>Bears on:</strong></p><ul class="ties">{items}</ul>'

    def _retired(self, event):
        body = f"<p>{escape(event.reason)}</p>" + self._events("Stands now as", [event.replaced_by] if pd.notna(event.replaced_by) else [])
        return _section(event.event_id, f"Withdrawn: {event.event_id}", body)

    def _claim(self, claim):
        rows = []
        for piece in self.data.evidence[self.data.evidence["claim_id"] == claim.claim_id].sort_values(["horizon", "bearing"]).itertuples():
            if pd.notna(piece.event_id):
                where = _link("event", piece.event_id, self.index.titles[piece.event_id])
            else:
                source = self.index.sources[piece.source_id]
                where = _link("source", piece.source_id, f"{source.origin} ({day(source.published)})")
            rows.append([piece.horizon, piece.bearing, where, escape(piece.note)])
        verdict = f"On the day: {claim.verdict_day}. In hindsight: {claim.verdict_hindsight}. Confidence: {claim.confidence}."
        body = f'<p class="facts">Paragraph {claim.paragraph} of the article</p><p>{escape(claim.claim)}</p>'
        body += f"<p><strong>Rule.</strong> {escape(claim.resolution_rule)}</p><p><strong>{verdict}</strong> {escape(claim.why)}</p>"
        evidence = nodes.raw("", _table(["Horizon", "Bearing", "Evidence", "How it bears"], rows, "evidence"), format="html")
        return _section(claim.claim_id, f"{claim.claim_id}: {self.index.claims[claim.claim_id]}", body, _Later(claim=claim.claim_id), evidence, nodes.raw("", cite.box(claim_record(claim)), format="html"))

    def _actor(self, actor):
        facts = [actor.kind.replace("_", " "), actor.country, SIDES.get(actor.alignment, actor.alignment)]
        events = {"Acts in": self.index.by.get(actor.actor_id), "Is acted on in": self.index.against.get(actor.actor_id)}
        return self._named("actor", actor, facts, events)

    def _place(self, place):
        facts = [place.admin1 if place.admin1 != place.name else None, place.country]
        return self._named("place", place, facts, {"Place of": self.index.at.get(place.place_id)})

    def _named(self, kind, row, facts, events):
        """Return the entry of a party or place: what else it is called, what it is, its events."""
        name = getattr(row, f"{kind}_id")
        words = " · ".join(escape(fact) for fact in facts if pd.notna(fact))
        body = f'<p class="facts">{words}</p>'
        if pd.notna(row.aliases):
            body += f"<p>Also: {escape(row.aliases.replace('|', ', '))}.</p>"
        if pd.notna(row.note):
            body += f"<p>Note: {escape(row.note.rstrip('.'))}.</p>"
        for text, ids in events.items():
            if ids:
                items = "".join(f"<li>{_day(self.index.events[e])}: {_link('event', e, self.index.titles[e])}</li>" for e in ids[:LISTED])
                if len(ids) > LISTED:
                    items += f'<li><a href="table.html?{kind}={name}">All {len(ids):,} events, in the table</a></li>'
                opened = " open" if len(ids) <= 5 else ""
                body += f'<details class="ties"{opened}><summary>{text} {len(ids)} event{"s" * (len(ids) > 1)}</summary><ul>{items}</ul></details>'
        return _section(f"{kind}-{name}", row.name, body)

    def _quarters(self):
        """Return the number of events by page and domain, each leading to them."""
        events = self.data.events.assign(page=[shelf("event", name) for name in self.data.events["event_id"]])
        counts = pd.crosstab(events["page"], events["domain"].astype(str))
        days = events.groupby("page")["date_start"].agg(["min", "max"])
        in_quarter = Counter(quarter(page.key) for page in shelves("event"))
        rows = []
        for page in (page for page in shelves("event") if page.name in days.index):
            row, span = counts.loc[page.name], "from={:%Y-%m-%d}&amp;to={:%Y-%m-%d}".format(*days.loc[page.name])
            cells = [f'<a href="table.html?domain={domain}&amp;{span}">{row[domain]}</a>' if row.get(domain) else "" for domain in DOMAINS]
            first, whole = days.loc[page.name, "min"], "-q" in page.name and in_quarter[quarter(page.key)] == 1
            words = f"{page.name[:4]} Q{page.name[-1]}" if whole else f"from {first.day} {first:%b<br>%Y}"
            rows.append([f'<a href="{page.name}.html">{words}</a>', f"{row.sum()}", *cells])
        totals = [f'<a href="table.html?domain={domain}">{counts[domain].sum()}</a>' for domain in DOMAINS]
        table = _table(["Quarter", "All", *(label for label, _ in DOMAINS.values())], [*rows, ["All", f"{len(events):,}", *totals]], "counts")
        return nodes.raw("", table, format="html")

    def _shelves(self):
        sources = self.data.sources
        counts = pd.Series([shelf("source", name) for name in sources["source_id"]]).value_counts()
        rows = [[f'<a href="{page.name}.html">{page.title}</a>', f"{counts[page.name]:,}"] for page in shelves("source")]
        undated = sources["published"].isna().sum()
        foreign = sources["language"][sources["language"] != "en"]
        words = (
            f"{len(sources):,} documents, the reporting of {sources['origin'].nunique():,} origins; {len(foreign):,} are in one of {foreign.nunique()} languages other than English. "
            f"{undated:,} bear no date. An entry stands on the page of the day in its id, or, where the id says undated, of its first letter; an address from before a page was divided still leads to its entry."
        )
        return nodes.raw("", f"<p>{words}</p>" + _table(["Page", "Documents"], rows), format="html")

    def _sources(self, which):
        items = []
        sources = _on(which, "source", self.data.sources)
        by = ["source_id"] if "undated" in which else ["origin", "published", "source_id"]  # it is by the id that one is found there
        for source in sources.sort_values(by, key=lambda column: column.str.casefold() if column.name == "origin" else column).itertuples():
            words = f"{source.publisher}, {day(source.published)}." + (f" Reporting: {source.origin}." if source.origin != source.publisher else "")
            words += "".join(f" {name}: {self.index.ties[name]}" for name in dict.fromkeys([source.publisher, source.origin]) if name in self.index.ties)
            language = "" if source.language == "en" else f' lang="{source.language}" dir="auto"'
            archived = f"https://web.archive.org/web/{source.accessed:%Y%m%d}/{source.url}"
            items.append(
                f'<li id="{source.source_id}"><a class="reference external" href="{escape(source.url)}"{language}>{escape(source.title)}</a>{"" if source.title[-1] in ".?!:" else "."} {escape(words)} '
                f'<a class="reference external" href="{escape(archived)}">Archived copies (may not exist)</a>{self._events("Backs", self.index.backs.get(source.source_id))}</li>'
            )
        order = "In the order of their ids, which begin with the site" if "undated" in which else "By whose reporting it is, in the order of the alphabet; of one origin by their days"
        words = f"{order}. A title in [square brackets] is a description of ours, where the copy showed none. Whether the archive holds a copy was not looked up."
        return nodes.raw("", f'<p>{words}</p><ul class="sources">{"".join(items)}</ul>', format="html")

    def _events(self, text, ids):
        return _line(text, [_link("event", e, self.index.titles[e]) for e in ids or []])


def _link(kind, name, text):
    card = ' class="card"' if kind == "claim" else ""
    return f'<a{card} href="{address(kind, name)}">{escape(text)}</a>'


def origins(event):
    """Return how many origins tell of an event, in words."""
    return "1 origin" if event.origins == 1 else f"{event.origins} origins"


def _section(name, title, body, *more):
    section = nodes.section(ids=[name], names=[name], classes=["entry"])
    section += [nodes.title("", title), nodes.raw("", body, format="html"), *more]
    return section


def event_record(event):
    """Return the record by which an event is cited; its day tells it from others of the same title."""
    return cite.record("event", event.event_id, f"{event.title} ({when(event)})", f"register/{address('event', event.event_id)}")


def claim_record(claim):
    """Return the record by which a claim is cited: whose it is, and how the book judges it, so that nobody takes it for the book's own."""
    title = f"{cite.CITATION['references'][0]['journal']}’s claim {claim.claim_id}, tested: ‘{claim.claim.rstrip('.')}’"
    verdict = f"On the day: {claim.verdict_day}; in hindsight: {claim.verdict_hindsight}. "
    return cite.record("claim", claim.claim_id, title, f"register/{address('claim', claim.claim_id)}", verdict)


def _line(text, links):
    return f'<p class="ties"><strong>{text}:</strong> {"; ".join(links)}</p>' if links else ""


def _table(header, rows, kind=""):
    def row(cells, tag):
        return "<tr>" + "".join(f"<{tag}>{cell}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f'<div class="table-wrapper docutils container"><table class="{f"docutils {kind}".strip()}"><thead>{row(header, "th")}</thead><tbody>{body}</tbody></table></div>'


def _note_decided(app, doctree):
    """Remember which claims a page decides: those that open an item of a list, as ``retribution.decides`` writes it."""
    first = [item.next_node(nodes.TextElement) for item in doctree.findall(nodes.list_item)]
    app.env.metadata[app.env.docname]["decides"] = {p[0]["claim"] for p in first if p and isinstance(p[0], nodes.reference) and "claim" in p[0]}


def _add_links(app, doctree, docname):
    """Write the links of each entry into the chapters: the figures an event is in, the chapters that decide a claim."""
    env = app.env

    def link(page, anchor, text):
        return f'<a href="{app.builder.get_relative_uri(docname, page)}{anchor}">{escape(text)}</a>'

    for later in list(doctree.findall(_Later)):
        if "event" in later:
            found = {name: (page, figure["title"]) for page, about in env.metadata.items() for name, figure in about.get("figures", {}).items() if later["event"] in figure["events"]}
            html = _line("In figures", [link(page, f"#fig-{name}", title) for name, (page, title) in sorted(found.items())])
        else:
            pages = sorted(page for page, about in env.metadata.items() if later["claim"] in about.get("decides", ()))
            html = _line("Decided in", [link(page, "", env.titles[page].astext()) for page in pages])
        later.replace_self(nodes.raw("", html, format="html"))


class _Search(Domain):
    """What the book's search finds by name, besides words on pages; also the inventory that other books can link by."""

    name = "register"
    label = "Register"
    people = {  # who is searched for and is no party of the dataset: the event that tells of the death
        "Abu Mahdi al-Muhandis": "2020-01-03-soleimani-muhandis-killed",
        "Qassem Soleimani": "2020-01-03-soleimani-muhandis-killed",
    }
    object_types = {"person": ObjType("person"), "event": ObjType("event"), "claim": ObjType("claim"), "actor": ObjType("person or group"), "place": ObjType("place")}

    def get_type_name(self, type, primary=False):
        """Return the name of a kind of entry as the search shows it."""
        return type.lname

    def merge_domaindata(self, docnames, other):
        """Do nothing: the names are those of the dataset, whoever has read which page."""

    def resolve_any_xref(self, *reference):
        """Return nothing: the roles have resolved every reference to the register."""
        return []

    def get_objects(self):
        """Yield each event by its title, claim by its words, party and place by name and aliases, and people."""
        for kind, words, rank in (("event", "title", 1), ("claim", "claim", 0), ("actor", "name", 0), ("place", "name", 0)):
            for row in getattr(data(), kind + "s").itertuples():
                name = getattr(row, f"{kind}_id")
                page, _, anchor = address(kind, name).partition(".html#")
                text = getattr(row, words)
                if kind == "claim":
                    text = f"{name}: {text.rstrip('.')}"
                elif pd.notna(getattr(row, "aliases", pd.NA)):
                    text += f" ({row.aliases.replace('|', ', ')})"
                yield f"{kind}:{name}", text, kind, f"register/{page}", anchor, rank
        for number, (person, event) in enumerate(self.people.items()):
            page, _, anchor = address("event", event).partition(".html#")
            yield f"person:{number}", f"{person}, killed on {when(index().events[event])}", "person", f"register/{page}", anchor, 0


def _rank_search(app, docname, template, context, doctree):
    if docname == "search":
        app.add_js_file("search.js", loading_method="defer")


def _take(app, env, docnames):
    kept.extend(getattr(env, "book_data", []))
    index()  # before processes part that would each make it


def _keep(app, env):
    env.book_data = [data()]


def setup(app):
    """Add the directive, the three roles, the search by name, and what is known once every page has been read."""
    app.connect("env-before-read-docs", _take)
    app.connect("env-updated", _keep)
    app.add_directive("register", _Register)
    for kind in ("event", "claim", "source"):
        app.add_role(kind, _Role())
    app.add_domain(_Search)
    app.connect("doctree-read", _note_decided)
    app.connect("doctree-resolved", _add_links)
    app.connect("html-page-context", _rank_search)
