"""The book on paper: the one PDF, and a page printed from the browser."""

import io
import re

import pypdf
import pytest
from bs4 import BeautifulSoup
from conftest import HTML, opened

paper = pytest.importorskip("retribution.book.paper", reason="WeasyPrint finds no Pango; on Debian: apt-get install libpango-1.0-0 libpangoft2-1.0-0", exc_type=OSError)
PART = ["index", "chapters/the-article", "register/2018-q2", "register/sources", "register/sources-2018", "chapters/cite"]


def squeezed(text):
    """Return text without the spaces and hyphens at which a line may break."""
    return re.sub(r"[\s\u00ad\u2010-]+", "", text)


@pytest.fixture(scope="module")
def pdf(tmp_path_factory):
    path = tmp_path_factory.mktemp("paper") / "part.pdf"
    paper.write(PART, path)
    return pypdf.PdfReader(path)


@pytest.fixture(scope="module")
def sheets(pdf):
    return [squeezed(page.extract_text()) for page in pdf.pages]


def headings(name):
    page = BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser").article
    return [squeezed(h.get_text().removesuffix("¶")) for h in page.select("h1, section:not(.entry) > h2")]


def test_the_contents_give_the_pages(sheets):
    listed = re.findall(r"([^.]+)\.{5,}(\d+)", "".join(sheets[:6]))
    found = {title: int(number) for title, number in listed}
    assert len(found) > 20
    for title in [*headings("chapters/the-article"), "References"]:
        number = next(n for t, n in found.items() if t.endswith(title))
        assert title in sheets[number - 1], title


def test_outside_addresses_are_printed_and_links_lead_somewhere(pdf, sheets):
    page = BeautifulSoup((HTML / "chapters/the-article.html").read_text(encoding="utf-8"), "html.parser").article
    addresses = {a["href"] for a in page.find_all("a", href=re.compile("^https?:"))}
    text = "".join(sheets)
    assert addresses and [address for address in addresses if squeezed(address) not in text] == []
    links = [link.get_object() for sheet in pdf.pages for link in sheet.get("/Annots", []) if link.get_object()["/Subtype"] == "/Link"]
    outside = [link["/A"]["/URI"] for link in links if "/A" in link and "/URI" in link["/A"]]
    assert outside and all(re.match("https?://|mailto:", address) for address in outside)
    inside = [link["/Dest"] if "/Dest" in link else link["/A"]["/D"] for link in links if "/Dest" in link or "/D" in link["/A"]]
    assert len(inside) > 100 and set(inside) <= set(pdf.named_destinations)
    event = pdf.named_destinations["register/2018-q2/2018-05-08-us-exit-jcpoa"]
    assert squeezed("Trump takes the United States out of the Iran nuclear deal") in sheets[pdf.get_destination_page_number(event)]


def test_the_pdf_says_what_it_is(pdf, sheets):
    about, cff = pdf.metadata, paper.CITATION
    assert (about.title, about.author) == (cff["title"], ", ".join(author["name"] for author in cff["authors"]))
    assert about.subject == " ".join(cff["abstract"].split()) and about["/Keywords"] == ", ".join(cff["keywords"])
    assert pdf.root_object["/Lang"] == "en-GB" and pdf.root_object["/MarkInfo"]["/Marked"]

    def flat(outline):
        return [entry for item in outline for entry in (flat(item) if isinstance(item, list) else [item])]

    marks = {squeezed(mark.title): pdf.get_destination_page_number(mark) for mark in flat(pdf.outline)}
    for title in [*headings("chapters/the-article"), "References"]:
        assert title in sheets[marks[title]], title


def test_nothing_of_the_screen_is_on_paper(sheets):
    text = "".join(sheets)
    assert [word for word in ("Showcode", "RerunorBinder", "Backtotop", "importaltair", "Specification") if word in text] == []
    assert "Fig.1" in text and "Sources:" in text


def test_a_chapter_prints_whole_and_light_from_a_dark_page(browser):
    page = opened(browser, "chapters/the-article.html", width=673, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("[...document.querySelectorAll('article *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))") == []
    shades = page.evaluate("[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('article p')).color, getComputedStyle(document.querySelector('.wide svg .role-axis-label text')).fill]")
    dark = [sum(map(int, re.findall(r"\d+", shade)[:3])) < 384 for shade in shades]
    assert dark == [False, True, True]
    said = [squeezed(p) for p in page.locator("article section > p:not(.title-tools)").all_text_contents()]
    printed = squeezed("".join(sheet.extract_text() for sheet in pypdf.PdfReader(io.BytesIO(page.pdf(format="A4"))).pages))
    addresses = page.locator("article a[href^=http]").evaluate_all("links => links.map(a => a.href)")
    assert addresses and all(squeezed(address) in printed for address in addresses)
    for address in addresses:
        printed = printed.replace(f"({squeezed(address)})", "")
    assert len(said) > 20 and [p for p in said if p not in printed] == []
    assert [word for word in ("Showcode", "RerunorBinder", "Backtotop", "Onthispage") if word in printed] == []
    page.context.close()
