"""Every record of the book, in every form, against its one source and through parsers that did not write it."""

import json
import re
from html import unescape

import extruct
import pytest
from bs4 import BeautifulSoup
from citeproc.source.json import CiteProcJSON
from conftest import HTML, ROOT, opened
from pybtex.database import parse_string
from yaml import safe_load

import retribution

CFF = safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
BOOK, DAY, AUTHOR = CFF["preferred-citation"]["title"], str(CFF["date-released"]), CFF["authors"][0]["name"]
FINGERPRINT = f"sha256:{retribution.load().fingerprint[:16]}"
ABOUT = "DC.title DC.creator DC.date DC.type DC.language DC.rights DC.identifier og:type og:title og:description og:site_name og:locale description".split()
SECTION = "citation_title citation_author citation_publication_date citation_inbook_title citation_language".split()
NO_RECORD = {"404.html", "search.html"}


def parsed(ris):
    """Return the records of a RIS file by the format's own grammar."""
    lines = [re.fullmatch(r"([A-Z][A-Z0-9])  - (.*)", line).groups() for line in ris.splitlines() if line]
    records = [{}]
    for tag, value in lines:
        if tag == "ER":
            records.append({})
        else:
            records[-1].setdefault(tag, []).append(value)
    return {record["ID"][0]: record for record in records if record}


@pytest.fixture(scope="module")
def records():
    """Return every record by its key: as CSL, BibTeX and RIS."""
    csl = {entry["id"]: entry for entry in json.loads((HTML / "citations.json").read_text(encoding="utf-8"))}
    bib = parse_string((HTML / "citations.bib").read_text(encoding="utf-8"), "bibtex").entries
    return csl, bib, parsed((HTML / "citations.ris").read_text(encoding="utf-8"))


def test_all_that_can_be_cited_has_a_record_and_an_address(records, pages):
    csl, bib, ris = records
    data = retribution.load()
    figures = {f"retribution-fig-{path.stem}" for path in (HTML / "figures").glob("*.html")}
    assert csl.keys() == bib.keys() == ris.keys()
    assert csl.keys() >= figures | {f"retribution-{name}" for name in [*data.events["event_id"], *data.claims["claim_id"]]}
    for key, entry in csl.items():
        page, _, anchor = re.search(r"In the book: (\S+)\. ", entry["note"])[1].partition("#")
        assert not anchor or anchor in pages[page].ids, key
        assert (HTML / page).exists(), key


def test_three_forms_of_a_record_say_the_same(records):
    csl, bib, ris = records
    CiteProcJSON([*csl.values()])
    for key, entry in csl.items():
        plain = {name: re.sub(r"\\([&%$#_{}])", r"\1", value).strip("{}") for name, value in bib[key].fields.items()}
        assert entry["title"] == plain["title"] == ris[key]["TI"][0]
        assert entry["author"] == [{"literal": AUTHOR}] and ris[key]["AU"] == [AUTHOR] and AUTHOR in str(bib[key].persons["author"][0]).strip("{}")
        assert entry["issued"]["date-parts"] == [[*map(int, DAY.split("-"))]] and plain["date"] == DAY and ris[key]["DA"] == [f"{DAY.replace('-', '/')}/"]
        assert entry["version"] == ris[key]["ET"][0] == CFF["version"] and plain["note"].startswith(f"Version {CFF['version']}. ")
        assert entry["note"] == ris[key]["N1"][0] == plain["note"].partition(". ")[2] and FINGERPRINT in entry["note"] and CFF["license"] in entry["note"]
        inside = BOOK if entry["type"] not in ("book", "dataset") else None
        assert entry.get("container-title") == plain.get("booktitle", plain.get("howpublished")) == ris[key].get("T2", [None])[0] == inside
    kinds = {entry["type"]: (bib[key].type, ris[key]["TY"][0]) for key, entry in csl.items()}
    assert kinds == {"book": ("book", "BOOK"), "dataset": ("misc", "DATA"), "chapter": ("incollection", "CHAP"), "figure": ("incollection", "CHAP"), "entry": ("misc", "ENCYC")}


def test_boxes_show_what_the_files_hold(records):
    csl, bib, _ = records
    shown = {}
    for path in HTML.rglob("*.html"):
        for box in re.findall(r'<details class="cite".*?</dl></details>', path.read_text(encoding="utf-8"), re.S):
            box = BeautifulSoup(box, "lxml").details
            forms = {term.text: term.find_next_sibling("dd").get_text() for term in box.select("dt")}
            key = box["data-name"]
            assert json.loads(forms["CSL-JSON"]) == [csl[key]] and list(parsed(forms["RIS"])) == [key]
            shown[key] = forms["BibTeX"]
            place = re.search(r"In the book: (\S+)\. ", csl[key]["note"])[1]
            for style in ("Plain", "APA", "Chicago"):
                assert AUTHOR in forms[style] and DAY[:4] in forms[style] and place in forms[style] and CFF["version"] in forms[style], (path, style)
                assert csl[key]["title"].rstrip("?").lower() in forms[style].lower() and not re.search(r"[?!.][’”]*[.]", forms[style])
            assert FINGERPRINT in forms["Plain"]
    assert shown.keys() == csl.keys()
    assert parse_string("\n".join(shown.values()), "bibtex").entries == bib


def test_every_page_has_the_tags_of_one_record(pages):
    for name in pages.keys() - NO_RECORD:
        text = (HTML / name).read_text(encoding="utf-8")
        found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)"', text)
        tags = {key: unescape(value) for key, value in found}
        assert set(ABOUT) <= tags.keys(), name
        assert tags["DC.title"] == tags["og:title"] and tags["DC.date"] == DAY and tags["DC.creator"] == AUTHOR
        # What Zotero decides a type by: Highwire for a section, Open Graph for the book (and "website" would win over both).
        if name == "index.html":
            assert tags["og:type"] == "book" and not [key for key in tags if key.startswith("citation_")]
            continue
        assert set(SECTION) <= tags.keys() and tags["og:type"] == "article", name
        assert tags["citation_title"] == tags["DC.title"] and tags["citation_inbook_title"] == BOOK and tags["citation_author"] == AUTHOR
        assert tags["citation_publication_date"] == DAY.replace("-", "/")


def graph(name):
    """Return the JSON-LD of a page by @type, read by an extractor."""
    parts = extruct.extract((HTML / name).read_text(encoding="utf-8"), base_url=f"https://book.example/{name}", syntaxes=["json-ld"], errors="strict")["json-ld"]
    types = {}
    for part in parts[0]["@graph"]:
        types.setdefault(part["@type"], []).append(part)
    return types


def test_linked_data_tell_the_book_its_chapters_and_its_verdicts():
    book = graph("index.html")["Book"][0]
    assert book["name"] == BOOK and book["version"] == CFF["version"] and book["datePublished"] == DAY
    assert [part["@id"] for part in book["hasPart"]][:2] == ["chapters/the-article.html", "chapters/diplomacy.html"]
    chapter = graph("chapters/verdict.html")["Chapter"][0]
    assert chapter["isPartOf"]["@id"] == "../index.html" and chapter["author"][0]["name"] == AUTHOR
    claims = retribution.load().claims
    found = graph("register/claims.html")
    assert [claim["text"] for claim in found["Claim"]] == list(claims["claim"])
    rated = [(review["itemReviewed"]["@id"][1:], review["reviewAspect"], review["reviewRating"]["alternateName"]) for review in found["ClaimReview"]]
    assert rated == [row for claim in claims.itertuples() for row in ((claim.claim_id, "on the day", claim.verdict_day), (claim.claim_id, "in hindsight", claim.verdict_hindsight))]


def test_a_citation_is_copied_and_saved(browser):
    page = opened(browser, "register/claims.html", permissions=["clipboard-read"])
    box = page.locator("#C17 details.cite")
    assert box.locator("button").count() == 0
    box.locator("summary").click()
    box.get_by_role("button", name="Copy APA").click()
    wanted = box.locator("dd").nth(1).inner_text()
    assert page.evaluate("getSelection().toString()").strip() == wanted.strip()
    with page.expect_download() as saved:
        box.get_by_role("button", name="Save BibTeX").click()
    assert saved.value.suggested_filename == "retribution-C17.bib"
    assert "retribution-C17" in parse_string(saved.value.path().read_text(encoding="utf-8"), "bibtex").entries
    assert not page.complaints


def test_a_figure_stands_alone_in_a_frame(browser, tmp_path):
    outer = tmp_path / "outer.html"
    outer.write_text(f'<iframe src="{(HTML / "figures/board.html").as_uri()}" width="390" height="700"></iframe>', encoding="utf-8")
    page = browser.new_context(viewport={"width": 800, "height": 900}, offline=True).new_page()
    page.goto(outer.as_uri())
    frame = page.frames[1]
    assert frame.locator("figure .still").is_visible() and frame.locator("figcaption").is_visible()
    assert frame.locator("h1").is_visible() and CFF["version"] in frame.locator(".credit").inner_text()
    assert not frame.locator("h2, footer, .sidebar-drawer, .mobile-header, .cite, .table-wrapper").evaluate_all("all => all.filter(one => one.getClientRects().length).length")
    assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_an_address_of_the_book_makes_every_record_absolute(monkeypatch):
    from retribution.book import cite

    monkeypatch.setitem(cite.CITATION, "url", "https://book.example/")
    entry = cite.record("chapter", "verdict", "The verdict", "chapters/verdict.html")
    where = "https://book.example/chapters/verdict.html"
    assert where in cite.styled("APA", entry) and json.loads(cite.csl([entry]))[0]["URL"] == where
    assert parsed(cite.ris([entry]))["retribution-verdict"]["UR"] == [where]
    assert parse_string(cite.bibtex([entry]), "bibtex").entries["retribution-verdict"].fields["url"] == where
    head = cite.tags(entry, "words", "../")
    assert f'citation_public_url" content="{where}"' in head and f'og:url" content="{where}"' in head
