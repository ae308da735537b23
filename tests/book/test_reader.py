"""The book for every reader: by keyboard, by ear, on a phone, in the dark, offline, behind a strict host."""

import csv
import re

import pytest

from conftest import HTML, ROOT, awake, figures_of, opened, violations

VARIANTS = [("light", 1280), ("dark", 390), ("dark", 1280), ("light", 390)]
TURNS = 4  # parts of a test of every page, so that two workers share it
WEIGHT = 200_000  # bytes of a page's first view over the wire: HTML, styles, scripts and pictures before a touch


@pytest.mark.parametrize("turn", range(len(VARIANTS)))
def test_axe_finds_nothing(pages, browser, server, turn):
    """Each page in one of four variants, of the many alike one in each; ``make audit`` looks at every page in all four."""
    scheme, width = VARIANTS[turn]
    alike = [[name for name in sorted(pages) if name.startswith(kind)] for kind in ("figures/", "register/20", "register/sources-")]
    names = [name for name in sorted(pages) if name not in sum(alike, [])][turn :: len(VARIANTS)] + [kind[turn * len(kind) // len(VARIANTS)] for kind in alike]
    found = {}
    page = opened(browser, names[0], width, server, color_scheme=scheme)
    for name in names:
        page.goto(f"{server}/{name}")
        found[name] = violations(page)
    page.context.close()
    assert len(found) >= 8
    assert {name: rules for name, rules in found.items() if rules} == {}


# How far to the right a page goes: the theme hides what sticks out of an article, so that the document looks no wider.
RIGHT = "Math.max(document.documentElement.scrollWidth, ...[...document.querySelectorAll('article')].map(e => Math.floor(e.getBoundingClientRect().left) + e.scrollWidth))"


@pytest.mark.parametrize("turn", range(TURNS))
def test_every_page_is_light_and_narrow_enough_for_a_phone(pages, browser, server, turn):
    heavy, wide, complaints = {}, {}, {}
    page = opened(browser, "index.html", 390, server)
    for name in sorted(pages)[turn::TURNS]:
        page.complaints.clear()
        page.goto(f"{server}/{name}")
        if "<img" in pages[name].path.read_text(encoding="utf-8"):
            page.wait_for_load_state("networkidle")
        heavy[name] = page.evaluate("performance.getEntries().reduce((sum, entry) => sum + (entry.encodedBodySize || 0), 0)")
        for width in (768, 360, 390):
            page.set_viewport_size({"width": width, "height": 900})
            wide[name, width] = page.evaluate(RIGHT)
        complaints[name] = list(page.complaints)
    page.context.close()
    assert min(heavy.values()) > 10_000
    heavy.pop("search.html", None)  # it is its index
    assert {name: size for name, size in heavy.items() if size > WEIGHT} == {}
    assert {(name, width): seen for (name, width), seen in wide.items() if seen > width} == {}
    assert {name: said for name, said in complaints.items() if said} == {}


def test_the_policy_of_the_host_is_strict_and_everything_works_under_it(pages, browser, server):
    policy = re.search(r"Content-Security-Policy: (.*)", (HTML / "_headers").read_text(encoding="utf-8"))[1]
    assert "script-src 'self' 'sha256-" in policy and "default-src 'self'" in policy and "unsafe-eval" not in policy
    page = opened(browser, "chapters/verdict.html", server=server)
    for name, _ in figures_of("chapters/verdict.html"):
        awake(page.locator(f"#fig-{name} .still"))
    assert page.complaints == []
    assert page.evaluate("new Promise(done => setTimeout(() => { try { done(new Function('return 1')()) } catch (error) { done(error.name) } }))") == "EvalError"
    assert violations(page) == []  # in live charts too
    page.context.close()
    page = opened(browser, "register/table.html?domain=proxy_attack", server=server)
    page.locator("#events tbody tr").nth(5).wait_for()
    page.wait_for_load_state("networkidle")
    assert page.complaints == []
    page.context.close()
    page = opened(browser, "search.html?q=embassy", server=server)
    page.wait_for_selector("#search-results li a")
    assert page.complaints == []
    page.context.close()


def test_the_theme_button_recolours_still_and_live_alike(pages, browser):
    page = opened(browser, "chapters/verdict.html", color_scheme="light")
    name = figures_of("chapters/verdict.html")[0][0]
    page.evaluate("window.stayed = true")

    def colours():
        seen = {}
        for _ in range(3):
            page.locator(".theme-toggle-content button").click()
            fills = page.locator(f"#fig-{name} .wide svg text").evaluate_all("words => words.map(word => getComputedStyle(word).fill)")
            seen[page.evaluate("document.body.dataset.theme")] = sorted(set(fills))
        return seen

    still = colours()
    awake(page.locator(f"#fig-{name} .still"))
    assert colours() == still and still["light"] == still["auto"] != still["dark"]
    assert page.evaluate("window.stayed")
    page.context.close()


# What has the focus: a name for it, and whether its looks differ from those without the focus.
FOCUS = """() => {
    const e = document.activeElement, looks = () => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.boxShadow, s.backgroundColor, s.top, s.textDecorationLine].join() };
    if (e === document.body) return null;
    const box = e.getBoundingClientRect(), label = e.matches('.toctree-checkbox') ? e.nextElementSibling : null;
    const seen = looks() + (label ? getComputedStyle(label).outlineStyle : '');
    e.blur();
    const plain = looks() + (label ? getComputedStyle(label).outlineStyle : '');
    e.focus({preventScroll: true});
    return {kinds: ['.skip-to-content', '.sidebar-search', '.toctree-checkbox', '.theme-toggle', '.still', '.chart-tools a', '.title-tools a', '.table-wrapper', '.nav-overlay-icon', '.toc-overlay-icon', 'article a'].filter(k => e.matches(k)),
            shown: seen !== plain, visible: e.checkVisibility({visibilityProperty: true}) && box.width > 0, what: e.outerHTML.slice(0, 120)};
}"""


@pytest.mark.parametrize("width, reached", [(1280, {".skip-to-content", ".sidebar-search", ".toctree-checkbox", ".theme-toggle", ".still", ".chart-tools a"}), (390, {".skip-to-content", ".nav-overlay-icon", ".toc-overlay-icon", ".theme-toggle", ".still", ".chart-tools a"})])
def test_tab_reaches_everything_shows_where_it_is_and_gets_out_again(pages, browser, width, reached):
    page = opened(browser, "index.html", width)
    stops = []
    for _ in range(300):
        page.keyboard.press("Tab")
        stop = page.evaluate(FOCUS)
        if stop is None:
            break
        stops.append(stop)
    assert stop is None, "Tab never leaves the page"
    assert reached <= {kind for stop in stops for kind in stop["kinds"]}
    assert [stop["what"] for stop in stops if not (stop["shown"] and stop["visible"])] == []
    page.context.close()


def test_a_phone_s_contents_open_and_close_by_keyboard(pages, browser):
    page = opened(browser, "chapters/verdict.html", 390)
    for button, drawer in ((".nav-overlay-icon", ".sidebar-drawer"), (".toc-header-icon", ".toc-drawer")):
        page.locator(button).focus()
        page.keyboard.press("Enter")
        assert page.locator(button).get_attribute("aria-expanded") == "true"
        assert page.evaluate(f"!!document.activeElement.closest('{drawer}')")
        page.keyboard.press("Escape")
        assert page.evaluate(f"document.activeElement.matches('{button}')") and not page.locator(drawer).is_visible()
    page.locator(".toc-header-icon").click()
    page.locator(".toc-drawer a").last.click()
    assert not page.locator(".toc-drawer").is_visible() and page.evaluate("scrollY") > 1000
    page.context.close()


def test_what_scrolls_sideways_is_reached_by_keyboard(pages, browser):
    page = opened(browser, "chapters/reproduce.html", 390)
    page.wait_for_function("document.querySelectorAll('article [role=group][tabindex=\"0\"]:not(.still)').length > 1")
    assert page.get_by_role("group", name="Wide table: The data, file by file").count() == 1
    assert page.evaluate("[...document.querySelectorAll('article *')].filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && /auto|scroll/.test(getComputedStyle(e).overflowX) && e.tabIndex < 0).map(e => e.outerHTML.slice(0, 120))") == []
    page.context.close()


def test_every_table_has_a_caption_and_headers_for_its_rows(pages):
    found = 0
    for name, page in pages.items():
        for table in re.findall(r"<table.*?</table>", page.path.read_text(encoding="utf-8"), re.S):
            assert re.search(r"<caption[^>]*>[^<]{3,}", table), name
            rows = re.findall(r"<tr.*?</tr>", table.partition("<tbody>")[2], re.S)
            named = [row for row in rows if re.search(r'<th scope="row"[^>]*>(?!\s*(<p></p>)?</th>)', row)]
            assert len(named) == len(rows) > 0, (name, table[:300])
            assert not re.search(r"<th(?![^>]* scope=)[ >]", table), name
            found += 1
    assert found > 400


def test_a_claim_s_number_says_what_it_claims(pages):
    links = [link for page in pages.values() for link in re.findall(r'<a class="card[^>]*>C\d\d</a>', page.path.read_text(encoding="utf-8").replace("<span>", ""))]
    assert len(links) > 100
    assert [link for link in links if not re.search(r'#(C\d\d)" aria-label="Claim \1: [A-Z][^"]{10,}">\1<', link)] == []


def test_the_page_for_a_lost_one_works_from_disk_too(pages, browser):
    page = opened(browser, "404.html")
    page.wait_for_function("[...document.querySelectorAll('link[rel=stylesheet]')].every(link => link.sheet)")
    page.get_by_role("link", name="the first page").click()
    page.wait_for_url("**/html/index.html")
    page.context.close()


@pytest.mark.parametrize("event_id", ["2019-12-31-us-embassy-stormed", "2020-01-26-us-embassy-rockets"])
def test_search_from_disk_leads_to_the_event(pages, browser, event_id):
    with open(ROOT / "data" / "events.csv", encoding="utf-8", newline="") as file:
        title = next(row["title"] for row in csv.DictReader(file) if row["event_id"] == event_id)
    page = opened(browser, "search.html")
    page.locator("input[name=q]").first.fill(title)
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a")
    hits = page.locator("#search-results li a").evaluate_all("links => links.slice(0, 5).map(a => a.href.split('#')[0].split('?')[0])")
    assert any(event_id in pages[hit.partition("/html/")[2]].ids for hit in hits)
    page.context.close()
