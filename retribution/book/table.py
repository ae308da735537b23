"""The table of all events: its first rows in the page, the rest and the library that sorts them in two scripts."""

import json
import re
from html import escape
from pathlib import Path

import itables
import pandas as pd
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ..palette import DOMAINS
from . import after_whole
from .register import address, best, data, index, when, words_of

PAGE = "register/table"
FIRST = 25
COLUMNS = {
    "date": ("Date", "latest first", "earliest first"),
    "title": ("Event", "Z to A", "A to Z"),
    "domain": ("Domain", "Z to A", "A to Z"),
    "who": ("Who", "Z to A", "A to Z"),
    "where": ("Where", "Z to A", "A to Z"),
    "killed": ("Killed", "most first", "fewest first"),
    "wounded": ("Wounded", "most first", "fewest first"),
    "origins": ("Origins", "most first", "fewest first"),
}


class _Table(SphinxDirective):
    """The form and the table with the latest events, from which the script goes on."""

    def run(self):
        return [nodes.raw("", _page(), format="html")]


def _page():
    events = data().events.sort_values(["date_start", "event_id"], ascending=False)
    head = "".join(f'<th scope="col" class="{name}">{words[0]}</th>' for name, words in COLUMNS.items())
    rows = "".join(_row(event) for event in events.head(FIRST).itertuples())
    return (
        f'{_form()}<p><span id="event-count" role="status">The latest {FIRST} of {len(events):,} events</span> '
        '<button type="button" id="event-csv">Download these rows (CSV)</button> <button type="button" id="event-copy">Copy the address of this view</button></p>'
        '<noscript><p>To filter and sort, this page needs scripts. <a href="events.html">The quarters</a> list every event without.</p></noscript>'
        f'<table id="events" data-all="{len(events)}"><caption>Events. Killed and wounded: best figure (lowest to highest); empty where no source gives one.</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(event):
    who = index().actors[event.actor_id] + (f", to {index().actors[event.target_id]}" if pd.notna(event.target_id) else "")
    cells = {
        "date": escape(when(event)),
        "title": f'<a href="{address("event", event.event_id)}">{escape(event.title)}</a>',
        "domain": f"{DOMAINS[event.domain][0]}: {escape(words_of(event.kind))}",
        "who": escape(who),
        "where": escape(index().places[event.place_id]),
        "killed": best(event, "killed"),
        "wounded": best(event, "wounded"),
        "origins": str(event.origins),
    }
    return "<tr>" + "".join(f'<th scope="row" class="{name}">{cell}</th>' if name == "title" else f'<td class="{name}">{cell}</td>' for name, cell in cells.items()) + "</tr>"


def _form():
    every, look = data(), index()
    used = set(every.events["actor_id"]) | set(every.events["target_id"].dropna())
    countries = sorted(every.places["country"].unique())
    kinds = sorted(every.events["kind"].unique())
    order = {sign + name: f"{title}, {words[sign == '']}" for name, (title, *words) in COLUMNS.items() for sign in ("-", "")}
    order[""] = order.pop("-date")
    selects = {
        "domain": ("Domain", {key: label for key, (label, _) in DOMAINS.items()}),
        "kind": ("Kind", {kind: words_of(kind) for kind in kinds}),
        "actor": ("By or to whom", {key: name for key, name in sorted(look.actors.items(), key=lambda item: item[1]) if key in used}),
        "country": ("Country", dict(zip(countries, countries))),
        "place": ("Place", dict(sorted(look.places.items(), key=lambda item: item[1]))),
        "claim": ("Bears on claim", {key: f"{key}: {words}" for key, words in look.claims.items()}),
    }
    fields = '<label>Words<input type="search" name="words"></label>'
    fields += "".join(f"<label>{title}{_select(name, {'': 'any'} | options)}</label>" for name, (title, options) in selects.items())
    fields += '<label>From<input type="date" name="from"></label><label>To<input type="date" name="to"></label>'
    fields += f"<label>Sort by{_select('sort', {'': order.pop('')} | order)}</label>"
    return f'<form id="event-filters" method="get" autocomplete="off">{fields}<p><button>Filter</button> <a href="table.html">Reset</a></p></form>'


def _select(name, options):
    return f'<select name="{name}">' + "".join(f'<option value="{escape(key)}">{escape(text)}</option>' for key, text in options.items()) + "</select>"


def _rows():
    """Return what the script needs of every event, as JSON: a list an event, and names by id."""
    every, look = data(), index()
    rows = [
        [
            event.event_id,
            f"{event.date_start:%Y-%m-%d}",
            f"{event.date_end:%Y-%m-%d}",
            when(event),
            event.title,
            event.domain,
            event.kind,
            event.actor_id,
            event.target_id if pd.notna(event.target_id) else "",
            event.place_id,
            [None if pd.isna(event.killed_low) else int(getattr(event, f"killed_{part}")) for part in ("low", "best", "high")],
            [None if pd.isna(event.wounded_low) else int(getattr(event, f"wounded_{part}")) for part in ("low", "best", "high")],
            event.origins,
            sorted({piece.claim_id for piece in look.evidence.get(event.event_id, [])}),
            address("event", event.event_id).partition(".")[0],
        ]
        for event in every.events.sort_values(["date_start", "event_id"]).itertuples()
    ]
    aliases = {row.actor_id: row.aliases for row in every.actors.itertuples() if pd.notna(row.aliases)}
    names = {"domains": {key: label for key, (label, _) in DOMAINS.items()}, "actors": look.actors, "aliases": aliases, "places": look.places, "countries": every.places.set_index("place_id")["country"].to_dict()}
    return json.dumps({"rows": rows} | names, ensure_ascii=False, separators=(",", ":"))


def _write(app):
    """Write the data, and the library as a classic script: a module does not load from disk."""
    folder = Path(app.outdir, "register")
    (folder / "table-data.js").write_text(f"bookEvents({_rows()});\n", encoding="utf-8")
    module = Path(itables.__file__).with_name("html").joinpath("dt_bundle.js").read_text(encoding="utf-8")
    classic, found = re.subn(r"\bexport\{[^}]*?(\w+) as default[^}]*\};?", r"window.bookTable=\1;", module)
    if not found:
        raise ValueError("the bundle of itables has no default export: its layout has changed")
    (folder / "datatables.js").write_text(f"(function(){{{classic}\n}})();\n", encoding="utf-8")


def _add_assets(app, docname, template, context, doctree):
    if docname == PAGE:
        app.add_css_file("table.css")
        app.add_js_file("table.js", loading_method="defer")


def setup(app):
    """Add the directive, give its page its style and script, and write what that loads once the pages are done."""
    app.add_directive("event-table", _Table)
    app.connect("html-page-context", _add_assets)
    after_whole(app, _write)
