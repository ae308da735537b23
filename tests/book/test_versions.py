"""Every address since its first version, what the versions changed, the identifiers, and the feeds."""

import gzip
import re
import subprocess
from urllib.parse import urldefrag
from xml.etree import ElementTree as ET

import feedparser
import pytest
from conftest import HTML, ROOT, opened

import retribution
from retribution.book import feeds, versions

DATA = retribution.load()
GONE = "register/sources.html#almasdarnews-undated-07314"  # rested under one event, which is withdrawn
MOVED = "register/sources.html#newindianexpress-2018-08-28-c8e9d"  # all sources stood on one page


@pytest.fixture(scope="module")
def standing():
    return versions.published(HTML)


def lost(listed, standing):
    """Return the listed addresses that lead nowhere: not there, or moved to what is not there."""
    def leads(old, new):
        page, fragment = urldefrag(new)
        first = urldefrag(old)[0] in standing or f"/{old} /{new} 301\n" in (HTML / "_redirects").read_text(encoding="utf-8")
        return first and f"{page}#{fragment or urldefrag(old)[1]}".rstrip("#") in standing

    return [old for old, (_, new) in listed.items() if not (leads(old, new) if new else old in standing)]


def test_no_address_has_vanished_and_all_are_listed(standing):
    listed = versions.anchors()
    assert lost(listed, standing) == []
    assert sorted(standing - set(listed)) == [], "run: make anchors"
    assert {since for since, _ in listed.values()} <= set(versions.versions())
    assert listed["register/2020-q1.html#2020-01-26-us-embassy-rockets"][0] == "0.1.0" and listed[GONE][1]


@pytest.mark.parametrize("old, new", [("chapters/none.html", ""), ("chapters/verdict.html#fig-none", ""), (MOVED, "register/sources-none.html"), (MOVED, "register/sources-2019.html"), ("none.html", "index.html")])
def test_a_vanished_address_is_found(standing, old, new):
    assert lost({old: ("0.1.0", new)}, standing) == [old]


@pytest.mark.parametrize("old, new", [(MOVED, "register/sources-2018.html#newindianexpress-2018-08-28-c8e9d"), (GONE, "register/2020-q3.html#2020-07-20-taji-rockets"), ("register/2020-q1.html#2020-03-11-taji-rockets", "register/2020-01-16.html#2020-03-11-taji-rockets")])
def test_an_address_of_the_first_version_leads_on(browser, server, old, new):
    for host in (None, server):
        page = opened(browser, "search.html", server=host)
        page.goto(f"{host or HTML.as_uri()}/{old}")
        page.wait_for_url(f"**/{new}")
        assert page.complaints == []
        page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_page_that_moved_leads_on(browser, tmp_path, script):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "page.html").write_text('<p id="a">here', encoding="utf-8")
    (tmp_path / "other.html").write_text('<p id="c">there', encoding="utf-8")
    versions.write_moved(tmp_path, {"old.html": "new/page.html", "old.html#b": "other.html#c", "old.csv": "other.html"})
    assert not (tmp_path / "old.csv").exists() and "/old.csv /other.html 301\n" in (tmp_path / "_redirects").read_text()
    context = browser.new_context(java_script_enabled=script, offline=True)
    for fragment, where in {"": "new/page.html", "#a": "new/page.html#a", "#b": "other.html#c"}.items():
        page = context.new_page()
        page.goto((tmp_path / "old.html").as_uri() + fragment)
        page.wait_for_url(f"**/{where}" if script else "**/new/page.html")  # without scripts a fragment is lost, the page is not
    context.close()


def test_listing_adds_and_never_removes(tmp_path, monkeypatch):
    (tmp_path / "new.html").write_text('<section class="entry" id="x">', encoding="utf-8")
    monkeypatch.setattr(versions, "ANCHORS", tmp_path / "anchors.csv")
    monkeypatch.setattr(versions, "anchors", lambda: {"old.html": ("0.1.0", "new.html")})
    assert versions.list_anchors(tmp_path) == 2
    assert (tmp_path / "anchors.csv").read_text().split() == ["address,since,moved", *(f"{name},{versions.CITATION['version']}," for name in ("new.html", "new.html#x")), "old.html,0.1.0,new.html"]


def test_an_entry_that_changes_its_page_keeps_its_age_and_is_led_to(tmp_path, monkeypatch):
    (tmp_path / "b.html").write_text('<section class="entry" id="x">', encoding="utf-8")
    monkeypatch.setattr(versions, "ANCHORS", tmp_path / "anchors.csv")
    monkeypatch.setattr(versions, "anchors", lambda: {"a.html#x": ("0.1.0", ""), "before.html#x": ("0.0.1", "a.html#x")})
    versions.list_anchors(tmp_path)
    assert (tmp_path / "anchors.csv").read_text().split()[1:] == ["a.html#x,0.1.0,b.html#x", f"b.html,{versions.CITATION['version']},", "b.html#x,0.1.0,", "before.html#x,0.0.1,b.html#x"]


def test_the_changes_hold_every_event_correction_and_withdrawal():
    text = (HTML / "register" / "changes.html").read_text(encoding="utf-8")
    latest, first = re.split('<section id="version-', text)[1:]
    assert latest.startswith(versions.CITATION["version"]) and first.startswith("0.1.0")
    assert len(set(re.findall('<li id="correction-([0-9a-f]+)"', latest))) == len(DATA.corrections)
    assert re.findall('<li id="withdrawn-([^"]+)"', latest) == sorted(DATA.retired["event_id"])
    added = set(re.findall('<li><a href="[^"]*#([^"]+)"', latest[latest.index("<h3>Added"):]))
    of_first = int(re.search(r"know: ([\d,]+) events", first)[1].replace(",", ""))
    assert added < set(DATA.events["event_id"]) and len(added) == len(DATA.events) + len(DATA.retired) - of_first
    assert of_first == 715  # rows of events.csv when it was 0.1.0
    assert versions.identifiers(HTML / "data.zip")["data"] in text
    assert len(gzip.compress(text.encode())) < 200_000


def test_identifiers_are_what_git_says(tmp_path):
    for name, content in {"a.txt": "a", "a/b.csv": "1,2\n", "a/c d/é.md": "", "a.b/run": "#!/bin/sh\n", "kept/_build/x": "no", "y.egg-info/z": "no", ".gitignore": "_build/\n*.egg-info/\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    (tmp_path / "a.b" / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("a/b.csv")
    (tmp_path / "empty" / "still").mkdir(parents=True)

    def git(*words):
        return subprocess.run(["git", *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", "-A")
    assert versions.swhid(tmp_path, tmp_path) == f"swh:1:dir:{git('write-tree')}"
    assert versions.swhid(tmp_path / "a", tmp_path) == f"swh:1:dir:{git('write-tree', '--prefix=a/')}"
    (tmp_path / "a" / "b.csv").write_text("1,3\n", encoding="utf-8")
    assert versions.swhid(tmp_path, tmp_path) != f"swh:1:dir:{git('write-tree')}"


def test_a_feed_reader_reads_every_correction(pages):
    feed = feedparser.parse((HTML / "corrections.atom").read_bytes())
    assert not feed.bozo and feed.version == "atom10" and feed.feed.id.startswith("urn:uuid:") and feed.feed.author and feed.feed.title
    assert len({entry.id for entry in feed.entries}) == len(feed.entries) == len(DATA.corrections) + len(DATA.retired)
    days = [entry.updated for entry in feed.entries]
    assert days == sorted(days, reverse=True) and feed.feed.updated == days[0] == f"{max(DATA.corrections['corrected_on'].max(), DATA.retired['retired_on'].max()):%Y-%m-%dT00:00:00Z}"
    for entry in feed.entries:
        page, anchor = urldefrag(entry.link)
        assert entry.title and entry.content[0].value and (not anchor or anchor in pages[page].ids), entry.link
    assert all('type="application/atom+xml"' in path.read_text(encoding="utf-8") for path in (HTML / "index.html", HTML / "register" / "changes.html"))


def test_the_identifier_of_a_correction_stays_when_its_reason_is_mended():
    row = next(DATA.corrections.itertuples())
    assert str(versions.key(row)) == "9834af5f-6bde-5097-bc92-11c346be082f"
    assert versions.key(row._replace(reason="Better said.")) == versions.key(row) != versions.key(row._replace(now="other"))


def test_a_sitemap_only_where_the_book_has_an_address(monkeypatch):
    assert ("url" in feeds.CITATION) == (HTML / "sitemap.xml").exists() == ("Sitemap:" in (HTML / "robots.txt").read_text())
    monkeypatch.setitem(feeds.CITATION, "url", "https://book.example/r")
    found = ET.fromstring(ET.tostring(feeds.sitemap(["index.html", "chapters/verdict.html"])))
    assert [loc.text for loc in found.iterfind("{*}url/{*}loc")] == ["https://book.example/r/", "https://book.example/r/chapters/verdict.html"]
    assert feeds.robots().endswith("Sitemap: https://book.example/r/sitemap.xml\n")
    assert all(link.get("href").startswith("https://book.example/r/") for link in feeds.atom().iterfind(".//{*}link"))
    monkeypatch.delitem(feeds.CITATION, "url")
    assert "Sitemap" not in feeds.robots() and feeds.atom().find("{*}link").get("href") == "corrections.atom"


def test_llms_txt_leads_to_every_page_and_chapters_are_text():
    named = re.findall(r"\]\(([^)]+)\)", (HTML / "llms.txt").read_text(encoding="utf-8"))
    listed = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    chapters = {page for page in listed if page == "index" or (ROOT / f"{page}.ipynb").exists()}
    assert sorted(named) == sorted(["data.zip", *(f"{page}.txt" if page in chapters else f"{page}.html" for page in listed)])
    texts = {page: (HTML / f"{page}.txt").read_text(encoding="utf-8") for page in chapters}
    for page, text in texts.items():
        assert not (found := re.findall("</|^   import |IPython|%s", text, re.M)), (page, found)
    together = "".join(texts.values())
    assert all(claim in together for claim in DATA.claims["claim_id"]) and re.search(r"Fig\. \d+ shows", together)
