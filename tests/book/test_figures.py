"""Figures as a reader uses them: they come alive in place, lead to the record, and give their rows and code."""

import json
import re
from urllib.parse import parse_qsl

import pytest

from conftest import HTML, awake, figures_of, opened


SHIFTS = """new Promise(done => new PerformanceObserver(list => done(list.getEntries().map(e => [e.value, e.hadRecentInput])))
    .observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done([]), 800))"""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_a_chart_comes_alive(pages, browser, width):
    page = opened(browser, "chapters/verdict.html", width)
    at_first = page.evaluate(SHIFTS)
    for name, _ in figures_of("chapters/verdict.html"):
        below = page.locator(f"#fig-{name} figcaption")
        page.locator(f"#fig-{name} .still").scroll_into_view_if_needed()
        before = below.evaluate("e => e.getBoundingClientRect().top + scrollY")
        awake(page.locator(f"#fig-{name} .still"))
        assert abs(below.evaluate("e => e.getBoundingClientRect().top + scrollY") - before) <= 1, name
    assert page.evaluate(SHIFTS) == at_first
    page.context.close()


def test_the_charting_library_loads_once_and_only_when_a_reader_turns_to_a_figure(pages, browser):
    page = opened(browser, "chapters/verdict.html")
    loaded = "[...document.scripts].map(s => s.src.split('/').pop()).filter(s => s === 'vega.js').length"
    page.mouse.wheel(0, 4000)
    page.wait_for_timeout(500)
    assert page.evaluate(loaded) == 0
    for name in ("board", "kinds"):
        awake(page.locator(f"#fig-{name} .still"))
    assert page.evaluate(loaded) == 1
    page.context.close()


@pytest.mark.parametrize("where, name", [("chapters/verdict.html", "board"), ("index.html", "verdicts"), ("figures/board.html", "board"), ("chapters/timeline.html", "timeline")])
def test_a_mark_leads_to_its_entry(pages, browser, where, name):
    page = opened(browser, where)
    still = awake(page.locator(f"#fig-{name} .still"))
    mark = next(path for path in still.locator(".wide .role-mark path").all() if path.evaluate("e => !!(e.__data__ && e.__data__.href)"))
    wanted = mark.evaluate("e => e.__data__.href")
    mark.scroll_into_view_if_needed()
    mark.click(force=True)
    page.wait_for_url(f"**/{wanted}")
    assert page.evaluate("!!document.getElementById(location.hash.slice(1))")
    page.context.close()


def test_under_a_finger_the_first_tap_wakes_and_tells_and_the_second_leads(pages, browser):
    page = opened(browser, "chapters/verdict.html", 390, has_touch=True, is_mobile=True)
    cell = page.locator("#fig-board .narrow path[aria-label], #fig-board .narrow .role-mark path").first
    cell.scroll_into_view_if_needed()
    cell.tap(force=True)
    tip = page.wait_for_selector("#vg-tooltip-element.visible")
    box = tip.bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and page.url.endswith("verdict.html")
    assert all(tip.eval_on_selector_all("td", "cells => cells.map(cell => cell.scrollHeight <= cell.clientHeight + 1)"))
    mark = next(path for path in page.locator("#fig-board .narrow .role-mark path").all() if path.evaluate("e => !!(e.__data__ && e.__data__.href)"))
    mark.tap(force=True)
    page.wait_for_url("**/register/claims.html#C*")
    page.context.close()


def test_the_tap_that_wakes_a_chart_also_picks_in_its_legend(pages, browser):
    page = opened(browser, "chapters/proxy-attacks.html", 390, has_touch=True, is_mobile=True)
    marks = "[...document.querySelectorAll('#fig-weekly .narrow .role-mark path')].map(mark => mark.getAttribute('opacity'))"
    assert len(set(page.evaluate(marks))) == 1
    symbol = page.locator("#fig-weekly .narrow .role-legend-symbol path").first
    symbol.scroll_into_view_if_needed()
    symbol.tap(force=True)
    page.wait_for_function(f"new Set({marks}).size === 2")
    page.context.close()


def test_the_tools_give_the_rows_the_pictures_and_the_specification(pages, browser, server):
    page = opened(browser, "chapters/proxy-attacks.html", server=server, permissions=["clipboard-read", "clipboard-write"])
    link = page.locator("#fig-weekly .chart-tools").get_by_role("link", name=re.compile("^Link, Fig"))
    link.click()
    page.locator("#fig-weekly .chart-tools", has_text="Link copied").wait_for()
    assert page.locator("[role=status]").inner_text() == link.inner_text() == "Link copied"
    assert page.evaluate("navigator.clipboard.readText()") == page.url == f"{server}/chapters/proxy-attacks.html#fig-weekly"
    page.locator("#fig-weekly .chart-tools a", has_text=re.compile("^Link$")).wait_for()
    for text, ext in {"Data": "csv", "SVG": "svg", "PNG": "png", "Specification": "vl.json"}.items():
        with page.expect_download() as download:
            page.locator("#fig-weekly .chart-tools").get_by_role("link", name=re.compile(f"^{text}, Fig")).click()
        assert download.value.suggested_filename == f"weekly.{ext}", text
        with open(download.value.path(), "rb") as got:
            assert got.read() == (HTML / "figures" / f"weekly.{ext}").read_bytes()
    page.locator("#fig-weekly .chart-tools").get_by_role("link", name=re.compile("^Table, Fig")).click()
    page.wait_for_url("**/figures/weekly.html#table")
    page.context.close()


def test_code_shows_for_one_figure_and_for_all_and_is_remembered(pages, browser):
    page = opened(browser, "chapters/verdict.html")
    shown = "[...document.querySelectorAll('.cell details.hide')].map(d => d.open)"
    assert not any(page.evaluate(shown))
    button, cell = page.locator("#fig-board .show-code"), page.locator(".cell", has=page.locator("#fig-board"))
    button.click()
    assert sum(page.evaluate(shown)) == 1 and button.get_attribute("aria-expanded") == "true"
    assert cell.locator("details.hide pre").is_visible() and cell.locator("details.hide > summary").is_hidden()
    all_code = page.locator(".show-all-code")
    assert (all_code.inner_text(), all_code.get_attribute("aria-expanded")) == ("Show code", "false")
    all_code.click()
    assert (all_code.inner_text(), all_code.get_attribute("aria-expanded")) == ("Hide code", "true")
    assert all(page.evaluate(shown))
    page.goto((HTML / "chapters" / "diplomacy.html").as_uri())
    assert all(page.evaluate(shown))
    page.locator(".show-all-code").click()
    page.reload()
    assert not any(page.evaluate(shown))
    page.context.close()
    page = opened(browser, "chapters/verdict.html", java_script_enabled=False)
    cell = page.locator(".cell", has=page.locator("#fig-board"))
    cell.locator("details.hide > summary").click()
    assert cell.locator("details.hide pre").is_visible()
    assert page.locator("#fig-explore-stalled .wide form").is_hidden()  # nothing would wake it
    page.context.close()


def test_the_timeline_shows_the_span_that_a_reader_chooses(pages, browser):
    page = opened(browser, "chapters/timeline.html")
    still = awake(page.locator("#fig-timeline .still"))
    rows = [row for table in json.loads((HTML / "figures" / "timeline.vl.json").read_text(encoding="utf-8"))["datasets"].values() for row in table if "month" in row]
    marks = "[...document.querySelectorAll('#fig-timeline .wide .role-mark path')].filter(e => e.__data__ && e.__data__.href).length"
    assert page.evaluate(marks) == len(rows)
    still.locator(".wide [name=span]").select_option("2020-01/2020-01")
    page.wait_for_function(f"n => {marks} === n", arg=sum(row["month"] == "2020-01" for row in rows))
    page.context.close()


def test_every_figure_is_in_the_list_with_a_picture_for_each_theme(pages):
    text = (HTML / "register" / "figures.html").read_text(encoding="utf-8")
    listed = re.findall(r'<li><a [^>]*href="\.\./([^"]+)#fig-([^"]+)">', text)
    assert listed == [(page, name) for page in dict.fromkeys(page for page, _ in listed) for name, _ in figures_of(page)]
    drawn = {name for page in pages if not page.startswith("figures/") for name, _ in figures_of(page)}
    assert {name for _, name in listed} == drawn
    for _, name in listed:
        assert f"figures/{name}.svg" in text and f"figures/{name}.dark.svg" in text


def test_captions_are_short_and_tables_speak_as_the_charts_do(pages):
    specs = [json.loads(path.read_text(encoding="utf-8")) for path in (HTML / "figures").glob("*.vl.json")]
    assert {spec["usermeta"]["name"]: n for spec in specs if (n := len(spec["usermeta"]["caption"].split())) > 60} == {}
    head = {name: re.findall(r'<th scope="col">([^<]*)</th>', (HTML / "figures" / f"{name}.html").read_text(encoding="utf-8")) for name in ("troops", "verdicts", "tolls")}
    assert "Worded as" in head["troops"] and "Bound" not in head["troops"]  # from a tooltip
    assert "Says" in head["verdicts"] and "Verdict" in head["verdicts"]
    assert {"least", "low"} <= set(head["tolls"])  # the chart calls both Least


def test_every_link_of_a_mark_leads_to_an_entry(pages):
    broken, form = [], (HTML / "register" / "table.html").read_text(encoding="utf-8").partition("<table")[0]
    for path in (HTML / "figures").glob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert '"link": null' not in text, path.stem  # which Vega takes for the address of a page
        for link in set(re.findall(r'"link": "([^"]+)"', text)):
            page, _, anchor = link.partition("#")
            page, _, view = page.partition("?")
            if page not in pages or (anchor and anchor not in pages[page].ids):
                broken.append((path.stem, link))
            assert all(f'name="{name}"' in form and (name in ("from", "to") or f'<option value="{value}">' in form) for name, value in parse_qsl(view)), link
    assert broken == []


def test_a_mark_of_several_attacks_leads_to_as_many_in_the_table(browser):
    text = (HTML / "figures" / "attack-map.js").read_text(encoding="utf-8")
    attacks, view = max((int(number), link) for number, link in re.findall(r'"attacks": (\d+)[^}]*"link": "(register/table[^"]*place=[^"]+)"', text))
    page = opened(browser, view)
    page.wait_for_function("number => document.getElementById('event-count').textContent.startsWith(number + ' of')", arg=attacks)
    page.context.close()
