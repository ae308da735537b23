"""Print the built book as one PDF: ``python -m retribution.book.paper``.

The pages are those of ``_build/html``, in the order of the contents: what only a screen can use is taken out, each
link within the book leads to a page of the PDF, and each link out of it becomes a note with its address. The layout
is ``static/paper.css``.
"""

import html
import posixpath
import time
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from bs4 import BeautifulSoup
from weasyprint import HTML

from .__main__ import BUILD
from .cite import AUTHORS, CITATION

ROOT = Path(__file__).parents[2]
PAGES = BUILD / "html"
PDF = BUILD / "so-much-for-iranian-retribution.pdf"
SCREEN = "[hidden], .unseen, details.hide, details.cite, .cell_input, .chart-tools, .title-tools, .headerlink, .toctree-wrapper, button, script, .sources a[href^='https://web.archive.org/web/']"
TITLES = {"index": "The answer", "register/sources": "References"}
LISTED = ("register/table", "register/figures", "register/changes")  # of use on a screen: paper has the events themselves, and a list of figures with pages, and this version only
LISTS = ("register/actors", "register/places", "register/sources")


def contents():
    """Return the part and the depth of each page, by name, in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    found = {toc["root"]: ("", 1)}
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            found[chapter["file"]] = (part["caption"], 1)
            found |= {section["file"]: (part["caption"], 2) for section in chapter.get("sections", [])}
    return {name: place for name, place in found.items() if name not in LISTED}


def _page(name):
    """Return the body of a built page for paper; every id begins with the page's name."""
    body = BeautifulSoup((PAGES / f"{name}.html").read_text(encoding="utf-8"), "html.parser").article
    body.name = "div"
    for screen in body.select(SCREEN):
        screen.decompose()
    if name in TITLES:
        body.h1.string = TITLES[name]
    for still in body.select("figure .still"):
        picture = still.find_parent("figure")["id"].removeprefix("fig-")
        still.replace_with(_tag("img", src=f"figures/{picture}.svg", alt=still.svg["aria-label"]))
    for facts in body.select(".entry > .facts"):
        if name.startswith("register/2"):
            facts.append(f" · {facts.parent['id']}")
    for anchor in body.find_all(id=True):
        anchor["id"] = f"{name}/{anchor['id']}"
    return body


def _tag(name, text="", **attributes):
    tag = BeautifulSoup("", "html.parser").new_tag(name, attrs=attributes)
    tag.string = text
    return tag


def _number(pages):
    """Write a number before each event and each source; return the numbers by id."""
    numbers = {}
    for letter, part, entry in (("E", "register/2", ".entry"), ("S", "register/sources", ".sources > li")):
        entries = [e for name, body in pages.items() if name.startswith(part) for e in body.select(entry)]
        for number, entry in enumerate(entries, 1):
            numbers[entry["id"]] = f"{letter}{number}"
            (entry.h3 or entry).insert(0, _tag("b", f"{letter}{number} "))
    return numbers


def _link(link, name, pages, numbers):
    """Lead a link to its page of the PDF and write what paper needs after it: a number, a page or an address."""
    target, anchor = urldefrag(link["href"])
    if ":" in target:
        if target not in link.get_text():
            address = _tag("span")
            address["class"] = "address" if link.find_parent(class_="sources") else "note"
            address.append(_tag("a", link["href"], href=link["href"]))
            link.insert_after(address)
        return
    page = posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).removesuffix(".html") if target else name
    if page not in pages:
        del link["href"]
        return
    place = f"{page}/{anchor}" if anchor else page
    link["href"] = f"#{place}"
    if place in numbers and name.startswith(LISTS):
        link.string = numbers[place]
    elif place in numbers:
        link.append(_tag("small", f" {numbers[place]}"))
    elif page not in (name, "register/claims") and not name.startswith("register/"):  # pages in the register too would lay it out thrice
        link["class"] = ["page"]


def _contents(pages, found):
    """Return the contents: parts, pages, and the sections of chapters; and the list of figures."""
    rows, part = [], ""
    for name, body in pages.items():
        if found[name][0] != part:
            part = found[name][0]
            rows.append(f'<p class="part">{part}</p>')
        rows.append(f'<p class="depth{found[name][1]}"><a href="#{name}">{html.escape(body.h1.get_text())}</a></p>')
        sections = body.select("section:not(.entry) > h2") if name.startswith("chapters/") else []
        rows += [f'<p class="depth2"><a href="#{h2.parent["id"]}">{html.escape(h2.get_text())}</a></p>' for h2 in sections]
    figures = [figure for body in pages.values() for figure in body.select("figure.chart")]
    rows.append('<h1 class="plain">Figures</h1>')
    for figure in figures:
        rows.append(f'<p class="depth1"><a href="#{figure["id"]}">{html.escape(figure.select_one(".caption-number").get_text() + figure.strong.get_text().rstrip(". "))}</a></p>')
    return "".join(rows)


def document(names):
    """Return the named pages as one HTML document for paper."""
    found = contents()
    pages = {name: _page(name) for name in names}
    numbers = _number(pages)
    for name, body in pages.items():
        for link in body.find_all("a", href=True):
            _link(link, name, pages, numbers)
    title, authors = html.escape(CITATION["title"]), html.escape(", ".join(AUTHORS))
    abstract = html.escape(" ".join(CITATION["abstract"].split()))
    body, part = "", ""
    for name, page in pages.items():
        caption, depth = found[name]
        head = f'<p class="part">{caption}</p>' if caption != part else ""
        part = caption
        body += f'<section class="page depth{depth} {name.replace("/", " ")}" id="{name}">{head}{page}</section>'
    return f"""<!DOCTYPE html>
<html lang="en-GB"><head><meta charset="utf-8"><title>{title}</title>
<meta name="author" content="{authors}"><meta name="description" content="{abstract}">
<meta name="keywords" content="{html.escape(", ".join(CITATION["keywords"]))}"><meta name="dcterms.created" content="{CITATION["date-released"]}">
<link rel="stylesheet" href="_static/paper.css"></head><body>
<header><h1 class="plain">{title}</h1><p>{abstract}</p><p>{authors}</p>
<p>Version {CITATION["version"]}, {CITATION["date-released"]}. Text, figures and data: {CITATION["license"]}.</p>
<p>E and a number is an event of the record, S and a number a document of the references; a number in square brackets is a page. Permanent addresses end each event's line of facts. The code of each chapter, and charts that answer to touch, are in the book's pages for the screen.</p></header>
<nav><h1 class="plain">Contents</h1>{_contents(pages, found)}</nav>
{body}</body></html>"""


def write(names, path):
    """Write the named pages as a tagged PDF."""
    HTML(string=document(names), base_url=f"{PAGES}/").write_pdf(path, pdf_variant="pdf/ua-1")


if __name__ == "__main__":
    start = time.perf_counter()
    write(list(contents()), PDF)
    print(f"Printed in {time.perf_counter() - start:.1f} s: {PDF}")
