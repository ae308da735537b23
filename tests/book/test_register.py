"""The register as a reader uses it: table, cards, search, people and places, and what leads from one to the other."""

import csv
import json
import re
from html import unescape
from types import SimpleNamespace
from urllib.parse import unquote

import pandas as pd
import pytest
from conftest import HTML, ROOT, opened

import retribution
from retribution.book import register

DATA = retribution.load()
EVENTS = DATA.events.merge(DATA.places[["place_id", "country"]], on="place_id")


def text_of(name):
    return (HTML / name).read_text(encoding="utf-8")


def entries(name):
    """Return each entry of a page of the register, by its anchor."""
    parts = re.split(r'<section class="entry" id="([^"]+)">', text_of(name))
    return dict(zip(parts[1::2], parts[2::2]))


def table(browser, view=""):
    page = opened(browser, f"register/table.html{view}", accept_downloads=True)
    if view:
        page.wait_for_selector(".dt-container")
    return page


def ids_shown(page):
    return [link.rpartition("#")[2] for link in page.locator("#events tbody a").evaluate_all("links => links.map(link => link.href)")]


JANUARY = EVENTS["date_start"].between("2020-01-01", "2020-01-31")


@pytest.mark.parametrize(
    "view, fits",
    [
        ("?domain=proxy_attack&from=2020-01-01&to=2020-01-31", (EVENTS["domain"] == "proxy_attack") & JANUARY),
        ("?actor=nujaba", (EVENTS["actor_id"] == "nujaba") | (EVENTS["target_id"] == "nujaba")),
        ("?country=Jordan", EVENTS["country"] == "Jordan"),
        ("?place=tanf&kind=drone", (EVENTS["place_id"] == "tanf") & (EVENTS["kind"] == "drone")),
        ("?claim=C18", EVENTS["event_id"].isin(DATA.evidence[DATA.evidence["claim_id"] == "C18"]["event_id"])),
        ("?words=snapback", EVENTS["title"].str.contains("snapback", case=False) | EVENTS["event_id"].str.contains("snapback")),
    ],
)
def test_the_table_shows_what_its_address_asks_for(browser, view, fits):
    expected = EVENTS[fits].sort_values(["date_start", "event_id"], ascending=False)["event_id"].tolist()
    assert 0 < len(expected) <= 25
    page = table(browser, view)
    assert ids_shown(page) == expected
    assert page.locator("#events tbody th[scope=row] a").count() == len(expected)
    assert page.locator("#event-count").inner_text() == f"{len(expected)} of {len(EVENTS):,} events"
    assert page.complaints == []
    page.context.close()


def test_the_table_loads_nothing_until_a_reader_turns_to_it(browser):
    page = table(browser)
    assert len(ids_shown(page)) == 25 and page.evaluate("typeof bookTable") == "undefined"
    page.focus("#event-filters [name=words]")
    page.wait_for_selector(".dt-container")
    page.fill("[name=words]", "no such words")
    page.wait_for_function("document.querySelector('#event-count').textContent.startsWith('0 of')")
    assert "No event fits" in page.locator("#events tbody").inner_text()
    page.context.close()


def test_the_table_sorts_and_the_back_button_takes_back(browser):
    page = table(browser, "?domain=proxy_attack")
    page.locator("#events th.killed").click()
    page.wait_for_url("**sort=-killed")
    best = EVENTS.set_index("event_id")["killed_best"]
    shown = [best[name] for name in ids_shown(page)]
    assert shown == sorted(EVENTS[EVENTS["domain"] == "proxy_attack"]["killed_best"].dropna(), reverse=True)[:25]
    page.locator("#events th.killed .dt-column-order").press("Enter")
    page.wait_for_url("**sort=killed")
    assert [best[name] for name in ids_shown(page)] == [0] * 25
    page.go_back()
    page.go_back()
    page.wait_for_function("document.querySelector('#events th.date').ariaSort === 'descending'")
    assert page.url.endswith("?domain=proxy_attack")
    page.select_option("[name=country]", "Syria")
    page.wait_for_url("**country=Syria")
    expected = ((EVENTS["domain"] == "proxy_attack") & (EVENTS["country"] == "Syria")).sum()
    page.wait_for_function("n => document.querySelector('#event-count').textContent.startsWith(n + ' of')", arg=int(expected))
    page.context.close()


def test_the_rows_of_a_view_can_be_taken_away(browser):
    page = table(browser, "?domain=state_strike&sort=date")
    with page.expect_download() as download:
        page.click("#event-csv")
    with open(download.value.path(), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = EVENTS[EVENTS["domain"] == "state_strike"].sort_values(["date_start", "event_id"])
    assert [row["event_id"] for row in rows] == expected["event_id"].tolist()
    for column in ("title", "killed_low", "killed_best", "wounded_high", "origins"):
        assert [row[column] for row in rows] == ["" if value is None else str(value) for value in expected[column].astype(object).where(expected[column].notna(), None)], column
    page.context.close()


def test_without_scripts_the_table_leads_to_the_quarters(browser):
    page = opened(browser, "register/table.html", java_script_enabled=False)
    assert len(ids_shown(page)) == 25
    assert page.locator("noscript a[href='events.html']").is_visible()
    page.context.close()


def test_a_card_shows_on_hover_and_on_focus_and_goes_with_escape(browser):
    page = opened(browser, "chapters/verdict.html")
    card = page.locator("#card")
    link = page.locator("article p a.card[href$='#C19']").first
    claim = DATA.claims.set_index("claim_id").loc["C19"]
    link.hover()
    card.wait_for(state="visible")
    assert claim.claim in card.inner_text() and str(claim.verdict_day) in card.inner_text()
    assert page.locator(f"#{link.get_attribute('aria-describedby')}").text_content().startswith(f"C19: {claim.claim}")
    box = card.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10, steps=4)
    page.wait_for_timeout(400)
    assert card.is_visible()
    page.keyboard.press("Escape")
    assert card.is_hidden()
    page.mouse.move(0, 0)
    page.keyboard.press("Tab")
    link.focus()
    assert card.is_visible()
    page.keyboard.press("Tab")
    page.wait_for_timeout(400)
    assert claim.claim not in card.inner_text() or card.is_hidden()
    assert page.complaints == []
    page.context.close()


def test_every_reference_has_its_card(pages):
    found = 0
    for name in pages:
        text = text_of(name)
        for target in set(re.findall(r'<a class="card[^"]*" href="[^"#]*#([^"]+)"', text)):
            assert text.count(f'<div id="card-{target}">') == 1, (name, target)
            found += 1
    assert found > 500


@pytest.mark.parametrize(
    "words, entry",
    [
        ("rockets embassy compound", "register/2020-01-16.html#2020-01-26-us-embassy-rockets"),
        ("momentum exit broken", "register/claims.html#C14"),
        ("AAH", "register/actors.html#actor-asaib_ahl_al_haq"),
        ("Kataib Hezbollah", "register/actors.html#actor-kataib_hezbollah"),
        ("Bashur", "register/places.html#place-harir"),
        ("Green Zone", "register/places.html#place-green_zone"),
        ("Muhandis", "register/2020-q1.html#2020-01-03-soleimani-muhandis-killed"),
        ("Taji", "register/places.html#place-taji"),
    ],
)
def test_search_finds_entries_by_name_from_disk(browser, words, entry):
    page = opened(browser, f"search.html?q={words}")
    page.wait_for_function("document.querySelector('.search-summary').textContent.includes('found')")
    links = page.locator("ul.search li a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert entry in links[: 1 if words == "Muhandis" else 3]
    days = [link.partition("#")[2][:10] for link in page.locator("ul.search li", has_text="(event, in").locator("a").evaluate_all("links => links.map(link => link.href)")]
    assert days == sorted(days)
    page.wait_for_timeout(300)
    assert page.complaints == []
    page.context.close()


def test_the_search_page_has_a_field_of_its_own(browser):
    page = opened(browser, "search.html", width=390)
    page.fill("form.search input", "Bashur")
    page.press("form.search input", "Enter")
    page.wait_for_url("**/search.html?q=Bashur")
    page.wait_for_function("document.querySelector('.search-summary').textContent.includes('found')")
    assert page.input_value("form.search input") == "Bashur" and page.complaints == []
    page.context.close()


def test_a_hit_among_the_words_of_a_page_is_on_the_screen(browser):
    page = opened(browser, "search.html?q=Muhandis", width=390)
    page.locator("ul.search li", has_text="April to June 2020 (among its words").locator("a").click()
    page.wait_for_function("scrollY > 1000")
    assert page.locator("article .highlighted").first.evaluate("word => { var box = word.getBoundingClientRect(); return box.top > 0 && box.bottom < innerHeight; }")
    page.context.close()


def test_each_month_lists_its_entries(pages):
    for name in (name for name in pages if re.match(r"register/\d{4}-", name)):
        text = text_of(name)
        assert re.findall(r'<li>\d+: <a href="#([^"]+)">', text) == list(entries(name)), name


def test_parties_and_places_have_anchors_that_clash_with_none(pages):
    actors, places = entries("register/actors.html"), entries("register/places.html")
    assert set(actors) == {f"actor-{name}" for name in DATA.actors["actor_id"]}
    assert set(places) == {f"place-{name}" for name in DATA.places["place_id"]}
    others = {*DATA.events["event_id"], *DATA.claims["claim_id"], *DATA.sources["source_id"]}
    assert not others & (set(actors) | set(places))
    for row in DATA.events.itertuples():
        assert f"#{row.event_id}" in actors[f"actor-{row.actor_id}"] and f"#{row.event_id}" in places[f"place-{row.place_id}"]


def test_a_party_with_very_many_events_leads_to_the_table(monkeypatch):
    actor = next(row for row in DATA.actors.itertuples() if row.actor_id == "usa")
    ids = register.index().by["usa"]

    def entry():
        return register._Register._named(SimpleNamespace(index=register.index()), "actor", actor, [], {"Acts in": ids}).astext()

    assert "in the table" not in entry()
    monkeypatch.setattr(register, "LISTED", 5)
    assert f'<a href="table.html?actor=usa">All {len(ids)} events, in the table</a>' in entry() and ids[4] in entry() and ids[-1] not in entry()


def test_an_answer_stands_after_what_it_answers_on_the_same_day():
    days = pd.to_datetime(["2020-01-03", "2020-01-03", "2020-01-03", "2020-01-02"])
    events = pd.DataFrame({"event_id": ["a", "b", "c", "z"], "date_start": days, "responds_to": ["b", "c", None, None]})
    assert list(register._in_order(events)["event_id"]) == ["z", "c", "b", "a"]
    circle = events.assign(responds_to=["b", "a", "z", None])
    assert sorted(register._in_order(circle)["event_id"]) == ["a", "b", "c", "z"]


def test_figures_that_an_event_is_in_are_those_that_draw_it(pages):
    drawn = {}
    for path in (HTML / "figures").glob("*.vl.json"):
        spec = json.loads(path.read_text(encoding="utf-8"))
        for row in (row for rows in spec.get("datasets", {}).values() for row in rows):
            link = re.search(r"register/\d{4}-.*?\.html#(.+)", str(row.get("link")))
            for event in {link and link[1], row.get("event_id")} - {None}:
                drawn.setdefault(event, set()).add(path.name.removesuffix(".vl.json"))
    assert len(drawn) > 300
    for page in [name for name in pages if re.match(r"register/\d{4}-", name)]:
        for name, entry in entries(page).items():
            line = re.search(r"<strong>In figures:</strong>(.*?)</p>", entry)
            assert set(re.findall(r"#fig-([a-z0-9-]+)", line[1] if line else "")) == drawn.get(name, set()), name


def test_a_claim_names_the_chapters_that_decide_it(pages):
    for claim, entry in entries("register/claims.html").items():
        named = set(re.findall(r"chapters/([a-z-]+)\.html", re.search(r"Decided in:</strong>(.*?)</p>", entry)[1]))
        decide = {path.stem for path in (ROOT / "chapters").glob("*.ipynb") if re.search(rf"retribution\.decides\(data\.claims,[^)]*{claim}", path.read_text(encoding="utf-8"))}
        assert named == decide, claim


def test_an_event_says_what_it_bears_on(pages):
    notes = DATA.evidence.dropna(subset=["event_id"])
    found = {name: unescape(entry) for page in pages if re.match(r"register/\d{4}-", page) for name, entry in entries(page).items()}
    for row in notes.itertuples():
        assert f"<em>{row.bearing}</em>" in found[row.event_id] and row.note.rstrip(".") in found[row.event_id], row.event_id


def test_the_first_page_of_the_events_counts_what_its_links_show(pages):
    cells = re.findall(r'href="table\.html\?domain=(\w+)&amp;from=([\d-]+)&amp;to=([\d-]+)">(\d+)</a>', text_of("register/events.html"))
    assert sum(int(count) for *_, count in cells) == len(EVENTS)
    for domain, first, last, count in cells:
        assert ((EVENTS["domain"] == domain) & EVENTS["date_start"].between(first, last)).sum() == int(count), (domain, first)


def test_sources_lead_to_archived_copies_and_name_their_language(pages):
    text = {name: text_of(name) for name in pages if name.startswith("register/sources-")}
    for row in DATA.sources.itertuples():
        item = next(re.search(rf'<li id="{re.escape(row.source_id)}">.*?</li>', page, re.S) for page in text.values() if f'<li id="{row.source_id}">' in page)[0]
        assert f"https://web.archive.org/web/{row.accessed:%Y%m%d}/{unquote(row.url)}" in unquote(unescape(item))
        assert (f'lang="{row.language}"' in item) == (row.language != "en")
    assert max(len(page) for page in text.values()) < 400_000


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("address", ["claims.html#C17", "2020-01-16.html#2020-03-11-taji-rockets", "2020-q3.html#2020-07-20-taji-rockets", "places.html#place-taji"])
def test_an_address_opens_at_its_entry(browser, width, address):
    page = opened(browser, f"register/{address}", width)
    page.wait_for_timeout(300)
    top = page.evaluate("document.getElementById(location.hash.slice(1)).getBoundingClientRect().top")
    assert 0 <= top < 120, f"{address} shows {top:.0f} px from the top"
    page.context.close()


def test_an_address_of_nothing_says_so(browser):
    page = opened(browser, "register/claims.html#C99")
    assert page.locator("article > [role=status]").inner_text() == "Nothing on this page is called C99. Search the book."
    page.context.close()
