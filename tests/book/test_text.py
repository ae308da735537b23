"""Nothing of an event's title runs or becomes markup where a script writes it into the page."""

import re

from conftest import HTML, opened

TITLE = "Rockets hit the US embassy compound in Baghdad"
BAD = "<img src=x onerror=window.ran=1> &amp; <b data-bad>embassy</b>"


def told_by(browser, server, name, file, old):
    """Open a page whose script ``file`` gives ``BAD`` in place of ``old``."""
    text = (HTML / file).read_text(encoding="utf-8")
    assert old in text
    page = opened(browser, "404.html", server=server)
    page.route(f"**/{file}*", lambda route: route.fulfill(body=text.replace(old, BAD), content_type="text/javascript"))
    page.goto(f"{server}/{name}")
    return page


def assert_text(page, place):
    page.locator(place, has_text="<b data-bad>").first.wait_for()
    page.wait_for_load_state("networkidle")
    assert page.locator("[data-bad], img[src=x]").count() == 0
    assert page.evaluate("window.ran") is None
    page.context.close()


def test_in_the_table(browser, server):
    page = told_by(browser, server, "register/table.html?words=data-bad", "register/table-data.js", TITLE)
    assert_text(page, "#events tbody th")


def test_in_the_search(browser, server):
    page = told_by(browser, server, "search.html?q=embassy", "searchindex.js", TITLE)
    assert_text(page, "#search-results li a")


def test_no_page_s_content_holds_a_script_and_the_policy_would_allow_none():
    for path in HTML.rglob("*.html"):
        content = re.search(r"<article.*</article>", path.read_text(encoding="utf-8"), re.S)
        assert not content or "<script>" not in content[0], path
    assert len(re.findall("'sha256-", (HTML / "_headers").read_text(encoding="utf-8"))) == 2  # the theme's, and that of 404.html


def test_the_marks_of_a_search_can_be_hidden(browser, server):
    page = opened(browser, "register/claims.html?highlight=embassy", server=server)
    page.locator(".highlighted").first.wait_for()
    page.locator(".highlight-link a").click()
    page.locator(".highlight-link").wait_for(state="detached")
    assert page.locator(".highlighted").count() == 0 and page.complaints == []
    page.context.close()
