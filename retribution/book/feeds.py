"""Files for machines that follow or read the book: the feed of corrections, chapters as text, llms.txt, robots.txt, a sitemap.

The protocol of sitemaps takes full addresses only, so there is one once ``CITATION.cff`` names a ``url``, not before.
"""

from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
from bs4 import BeautifulSoup
from docutils import nodes
from sphinx.writers.text import TextTranslator

from . import after_whole, cite
from .cite import AUTHORS, CITATION
from .register import address, data
from .versions import FEED, key, subject, withdrawal_key, words

ATOM, SITEMAP = "http://www.w3.org/2005/Atom", "http://www.sitemaps.org/schemas/sitemap/0.9"
TITLE = f"Corrections to {CITATION['title']}"


def _tree(tag, namespace):
    """Return an element and a function that adds a child of the same vocabulary to an element."""
    def add(parent, tag, text=None, **attributes):
        child = ET.SubElement(parent, f"{{{namespace}}}{tag}", attributes)
        child.text = text
        return child

    return ET.Element(f"{{{namespace}}}{tag}"), add


def _write(root, namespace, path):
    ET.register_namespace("", namespace)
    ET.indent(root, "")
    ET.ElementTree(root).write(path, "utf-8", xml_declaration=True)


def corrections():
    """Return the corrections and withdrawals, newest first, as (identifier, day, title, words, address)."""
    found = []
    for row in data().corrections.itertuples():
        place, title = subject(row)
        found.append((key(row), row.corrected_on, f"Corrected: {title}", words(row), f"register/{place}" if place else "register/changes.html"))
    for row in data().retired.itertuples():
        found.append((withdrawal_key(row), row.retired_on, f"Withdrawn: {row.event_id}", row.reason, f"register/{address('event', row.event_id)}"))
    return sorted(found, key=lambda entry: (entry[1], str(entry[0])), reverse=True)


def atom():
    """Return the Atom feed (RFC 4287) of every correction and withdrawal."""
    feed, add = _tree("feed", ATOM)
    entries = corrections()
    add(feed, "id", FEED.urn)
    add(feed, "title", TITLE)
    add(feed, "updated", _moment(entries[0][1]))
    for author in AUTHORS:
        add(add(feed, "author"), "name", author)
    add(feed, "rights", CITATION["license"])
    add(feed, "link", rel="self", type="application/atom+xml", href=cite.address("corrections.atom"))
    add(feed, "link", rel="alternate", type="text/html", href=cite.address("register/changes.html"))
    for name, day, title, said, place in entries:
        entry = add(feed, "entry")
        add(entry, "id", name.urn)
        add(entry, "title", title)
        add(entry, "updated", _moment(day))
        add(entry, "link", rel="alternate", type="text/html", href=cite.address(place))
        add(entry, "content", said, type="text")
    return feed


def _moment(day):
    return f"{pd.Timestamp(day):%Y-%m-%d}T00:00:00Z"


def sitemap(pages):
    """Return the sitemap of ``pages``, as the protocol 0.9 has it."""
    root, add = _tree("urlset", SITEMAP)
    for page in pages:
        add(add(root, "url"), "loc", cite.address("" if page == "index.html" else page))
    return root


def robots():
    """Return ``robots.txt``: everything may be read; where the sitemap is, if there is one."""
    return "User-agent: *\nAllow: /\n" + (f"Sitemap: {cite.address('sitemap.xml')}\n" if "url" in CITATION else "")


class _Text(TextTranslator):
    """A chapter as plain text: prose, captions and tables; no code and no pictures. A paragraph is one line, for a phone to break."""

    def end_state(self, wrap=True, **how):
        super().end_state(wrap=False, **how)

    def visit_container(self, node):
        if "cell_input" in node["classes"]:
            raise nodes.SkipNode

    def visit_raw(self, node):
        if "<table" in node.astext():
            self.new_state(0)
            for row in BeautifulSoup(node.astext(), "html.parser").find_all("tr"):
                self.add_text(" | ".join(cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])) + "\n")
            self.end_state()
        raise nodes.SkipNode

    def visit_number_reference(self, node):
        pass  # its words hold the number, its title does not

    def unknown_visit(self, node):
        pass

    depart_number_reference = unknown_departure = unknown_visit


def _is_chapter(app, docname):
    return docname == "index" or str(app.env.doc2path(docname)).endswith(".ipynb")


def _write_text(app, docname, template, context, doctree):
    if doctree and _is_chapter(app, docname):
        text = _Text(doctree, app.builder)
        doctree.walkabout(text)
        path = Path(app.outdir, f"{docname}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.body, encoding="utf-8")


def llms(app):
    """Return what a reader of plain text needs to know of the book, after llmstxt.org: each page in reading order."""
    def link(page, suffix):
        about = app.env.metadata[page].get("description")
        return f"- [{app.env.titles[page].astext()}]({cite.address(page + suffix)})" + (f": {about}" if about else "")

    pages = list(app.builder.relations)
    return "\n".join([
        f"# {CITATION['title']}", "",
        f"> {CITATION['abstract'].strip()}", "",
        f"Version {CITATION['version']}, {CITATION['date-released']}, {CITATION['license']}.", "",
        "## Chapters, as plain text", "", *(link(page, ".txt") for page in pages if _is_chapter(app, page)), "",
        "## Data", "", f"- [data.zip]({cite.address('data.zip')}): tables in CSV; datapackage.json in it describes every table and column", "",
        "## The record and how to cite it, as pages", "", *(link(page, ".html") for page in pages if not _is_chapter(app, page)), "",
    ])


def _announce(app, docname, template, context, doctree):
    up = "../" * docname.count("/")
    context["metatags"] = context.get("metatags", "") + f'<link rel="alternate" type="application/atom+xml" title="{TITLE}" href="{up}corrections.atom">'


def _finish(app):
    out = Path(app.outdir)
    _write(atom(), ATOM, out / "corrections.atom")
    (out / "llms.txt").write_text(llms(app), encoding="utf-8")
    if "url" in CITATION:
        figures = sorted(f"figures/{name}.html" for page in app.builder.relations for name in app.env.metadata[page].get("figures", ()))
        _write(sitemap([*(f"{page}.html" for page in app.builder.relations), *figures]), SITEMAP, out / "sitemap.xml")
    (out / "robots.txt").write_text(robots(), encoding="utf-8")


def setup(app):
    """Announce the feed on every page, and write the files."""
    app.connect("html-page-context", _announce)
    app.connect("html-page-context", _write_text)
    after_whole(app, _finish)
