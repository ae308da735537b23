"""Nothing of an event's title runs or becomes markup where a script writes it into the page."""

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
