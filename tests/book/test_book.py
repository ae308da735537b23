"""The built book: complete, whole within itself, the same from any folder, alive with the network off."""

import csv
import filecmp
import html
import json
import os
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote, urldefrag

import nbformat
import pandas as pd
import pytest
import yaml
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from jupyter_cache import get_cache
from pygments.styles import get_style_by_name
from pygments.token import Text

from conftest import CHAPTERS, HTML, ROOT, Page, awake, figures_of, opened, tooltip_at
from retribution.book import figures
from retribution.book import pages as book_pages
from small import copied, start_build


def test_every_page_of_the_contents_is_built(pages):
    listed = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert {f"{name}.html" for name in listed} <= set(pages)


def test_nothing_is_loaded_from_outside(pages):
    outside = [(name, load) for name, page in pages.items() for load in page.loads if re.match(r"['\"]?(https?:)?//", load)]
    for path in HTML.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        outside += [(path.name, load) for load in re.findall(r"(?:url\(|@import\s+)['\"]?((?:https?:)?//[^'\")]+)", text)]
    assert outside == []


def test_every_inner_link_and_file_exists(pages):
    broken = []
    for name, page in pages.items():
        for link in [*page.links, *page.loads]:
            target, anchor = urldefrag(link)
            if re.match(r"[a-z]+:", target) or target.startswith("//"):
                continue
            path = (HTML / name).parent / unquote(target.partition("?")[0]) if target else HTML / name
            if target.startswith("/"):
                assert name == "404.html", (name, link)  # it is served at any depth, so its links are absolute
                path = HTML / target[1:].partition("?")[0]
            inner = path.resolve().relative_to(HTML).as_posix()
            if not path.exists() or (anchor and inner.endswith(".html") and unquote(anchor) not in pages[inner].ids):
                broken.append((name, link))
    assert broken == []


def test_every_event_claim_and_source_has_its_anchor(pages):
    def column(table, key):
        with open(ROOT / "data" / table, encoding="utf-8", newline="") as file:
            return {row[key] for row in csv.DictReader(file)}

    quarters = set().union(*(page.ids for name, page in pages.items() if re.match(r"register/\d{4}-", name)))
    assert column("events.csv", "event_id") <= quarters
    assert column("retired.csv", "event_id") <= quarters
    assert column("claims.csv", "claim_id") <= pages["register/claims.html"].ids
    assert column("sources.csv", "source_id") <= set().union(*(page.ids for name, page in pages.items() if name.startswith("register/sources-")))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapters_have_figures_with_all_their_parts(pages, chapter):
    figures = figures_of(f"chapters/{chapter}.html")
    assert len(figures) >= 3
    for name, body in figures:
        assert re.search(r'<span class="caption-number">Fig\. \d+', body), name
        assert len(re.findall(r'<svg role="img" aria-label="[^"]{40,}"', body)) == 2, name
        assert "Sources: " in body, name
        assert "NaN" not in body and "vega.github.io" not in body, name
        for ext in ("csv", "svg", "dark.svg", "png", "vl.json", "js", "html"):
            assert (HTML / "figures" / f"{name}.{ext}").stat().st_size > 100, (name, ext)
        spec = json.loads((HTML / "figures" / f"{name}.vl.json").read_text(encoding="utf-8"))
        assert spec["description"] and spec["usermeta"]["name"] == name


def test_figure_names_are_unique(pages):
    names = [name for page in pages if not page.startswith("figures/") for name, _ in figures_of(page)]
    assert len(names) == len(set(names)) >= 20


def test_notebook_pages_lead_to_rerunning_and_citing(pages):
    for path in (ROOT / "chapters").glob("*.ipynb"):
        line = re.search(r'</h1><p class="title-tools">(.*?)</p>', (HTML / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8"), re.S)
        assert [text for text in re.findall(r">([^<]+)</a>", line[1])] == ["Rerun or Binder", "Notebook", "Data", "Cite"]
        assert (HTML / "notebooks" / path.name).read_bytes() == path.read_bytes()


def test_no_placeholder_is_left(pages):
    words = re.compile(r"\b(TODO|FIXME|TBD|lorem ipsum|placeholder|coming soon)\b", re.I)
    assert [name for name, page in pages.items() if words.search(" ".join(page.text)) and not name.startswith("search")] == []


def test_only_one_search_box(pages):
    text = (HTML / "index.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<input[^>]*name="q"', text)) == 1


def test_another_folder_time_zone_and_language_and_no_network_home_or_right_to_write_give_the_same_book(tmp_path):
    """The notebooks are not run once more: that they give the same there is what nbval shows, in the same surroundings."""
    folder, built = copied(tmp_path / "another folder" / "two"), tmp_path / "elsewhere" / "_build"
    shutil.copytree(ROOT / "_build" / ".jupyter_cache", built / ".jupyter_cache")
    shutil.copytree(ROOT / "_build" / "pictures", built / "pictures")
    shutil.copy(ROOT / "_build" / "state.json", built)
    subprocess.run(["chmod", "-R", "a-w", folder], check=True)
    as_told = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] * (os.geteuid() == 0)  # else root may write all the same
    paths = f"{folder}{os.pathsep}{ROOT / 'tests' / 'offline'}"
    build = start_build(folder, *as_told, BUILD=str(built), HOME=os.devnull, PYTHONPATH=paths, PYTHONHASHSEED="4711", TZ="Asia/Tehran", LANG="de_DE.UTF-8", LC_ALL="POSIX")
    said, _ = build.communicate(timeout=900)
    assert build.returncode == 0, said
    other = built / "html"

    def tree(top):
        return sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())

    assert tree(HTML) == tree(other)
    _, differ, errors = filecmp.cmpfiles(HTML, other, tree(HTML), shallow=False)
    assert (differ, errors) == ([], [])


def drawing(code, **environment):
    """Return what a process says that draws with the book's fonts, or with what ``environment`` makes it find."""
    start = "import sys, nbformat, vl_convert as vlc; from pathlib import Path; from retribution.book import notebooks, pictures\n"
    return subprocess.run([sys.executable, "-c", start + code], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True).stdout


def test_pictures_are_the_same_whatever_the_fonts_and_the_time_zone(tmp_path):
    """Where every font that a chart names is installed as one of squares."""
    for family in ("Arial", "Liberation Sans", "Helvetica"):
        square = TTGlyphPen(None)
        for corner in ((0, 0), (0, 700), (700, 700), (700, 0)):
            (square.lineTo if corner != (0, 0) else square.moveTo)(corner)
        square.closePath()
        font = FontBuilder(1000)
        font.setupGlyphOrder([".notdef"])
        font.setupCharacterMap({code: ".notdef" for code in [*range(32, 127), *map(ord, "◐✕●○")]})
        font.setupGlyf({".notdef": square.glyph()})
        font.setupHorizontalMetrics({".notdef": (900, 0)})
        font.setupHorizontalHeader(ascent=800, descent=-200)
        font.setupNameTable({"familyName": family, "styleName": "Regular", "psName": family.replace(" ", "")})
        font.setupOS2()
        font.setupPost()
        font.save(tmp_path / f"{family}.ttf")
    squares = tmp_path / "fonts.conf"
    squares.write_text('<?xml version="1.0"?><fontconfig><dir prefix="relative">.</dir></fontconfig>', encoding="utf-8")
    word = "print(vlc.svg_to_png('<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90\" height=\"30\"><text y=\"20\" font-family=\"Arial\">word</text></svg>'))"
    assert drawing(word, FONTCONFIG_FILE=str(squares)) != drawing(word), "a font that is installed changes what is drawn, but for what the book does"
    spec = "spec = next(spec for spec in notebooks._charts(nbformat.read('chapters/{}.ipynb', 4)) if spec['usermeta']['name'] == {!r})\n"
    for chapter, name in (("verdict", "board"), ("force-posture", "base-counts")):  # one with signs, one with an axis of time
        drawing(spec.format(chapter, name) + f"pictures.pictures(spec, Path({str(tmp_path / 'drawn')!r}))", FONTCONFIG_FILE=str(squares), TZ="Asia/Tehran")
    drawn = list((tmp_path / "drawn").iterdir())
    assert len(drawn) == 8
    assert [path.name for path in drawn if path.read_bytes() != (ROOT / "_build" / "pictures" / path.name).read_bytes()] == []


def test_the_books_fonts_have_every_sign_in_its_charts():
    """For one that is missing: take its glyph into ``retribution/book/fonts/signs.ttf``, a part of DejaVu Sans made by fontTools' ``subset``."""
    signs = {sign for path in (ROOT / "_build" / "pictures").glob("*.wide") for text in re.findall("<text[^>]*>([^<]*)", path.read_text(encoding="utf-8")) for sign in html.unescape(text) if sign.strip()}
    assert {"◐", "✕"} < signs
    draws = "def drawn(sign): return vlc.svg_to_png(f'<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"40\" height=\"40\"><text y=\"30\" font-family=\"Liberation Sans\" font-size=\"30\">{sign}</text></svg>')\n"
    missing = drawing(f"pictures._draw_as_everywhere()\n{draws}print([sign for sign in {sorted(signs - set('<&'))!r} if drawn(sign) == drawn('\ue000')])")
    assert missing == "[]\n"


def test_the_book_shows_what_the_notebooks_store():
    """The build has run each notebook in an empty folder; the stored outputs are from its own."""
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    for path in (ROOT / "chapters").glob("*.ipynb"):
        stored = nbformat.read(path, 4)
        _, shown = cache.merge_match_into_notebook(nbformat.read(path, 4))
        assert [cell.get("outputs") for cell in shown.cells] == [cell.get("outputs") for cell in stored.cells], path.stem


def test_without_a_network_an_outside_address_is_refused():
    asked = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    done = subprocess.run([sys.executable, "-c", asked], env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "offline")}, capture_output=True, text=True)
    assert "the network is off: ('192.0.2.1', 80)" in done.stderr


def test_a_quarter_without_its_page_stops_the_build(tmp_path):
    folder = copied(tmp_path / "book")
    (folder / "register" / "2018-q2.md").unlink()
    said, _ = (build := start_build(folder)).communicate(timeout=100)
    assert build.returncode == 1
    assert "register/2018-q2.md: " in said and "Traceback" not in said


def test_figure_data_is_one_table(pages):
    for path in (HTML / "figures").glob("*.csv"):
        about = path.read_text(encoding="utf-8").splitlines()[:3]
        assert [line[0] for line in about] == ["#"] * 3 and "Sources: " in about[1] and "CC-BY-4.0" in about[2], path.name
        table = pd.read_csv(path, comment="#")
        spec = json.loads(path.with_suffix(".vl.json").read_text(encoding="utf-8"))
        drawn = {json.dumps(row, sort_keys=True): row for rows in spec["datasets"].values() for row in rows if not {"at", "dx", "geometry"} & set(row)}.values()
        assert len(table) == len(drawn) > 0, path.name
        for column in table:
            meant = sum(row.get(column) not in (None, "") for row in drawn)
            assert table[column].notna().sum() == meant, (path.name, column)
        page = path.with_suffix(".html").read_text(encoding="utf-8")
        tables = re.findall("<table.*?</table>", page, re.S)
        told = [row for row in drawn if len(set(row) - {"link", *figures.PLACING}) > 1]
        assert page.count("<tr>") == len(told) + len(tables) and len(told) >= 0.6 * len(drawn), path.name
        assert max(one.count("<tr>") for one in tables) <= figures.LONGEST + 1, path.name


def test_a_broken_row_stops_the_build(tmp_path):
    folder = copied(tmp_path / "book")
    path = folder / "data" / "reports.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",", ",x", 1), encoding="utf-8")
    build = start_build(folder)
    said, _ = build.communicate(timeout=100)
    assert build.returncode == 1
    assert "reports.csv" in said and "was not built" in said and "Traceback" not in said
    assert not (folder / "_build" / "html").exists()


@pytest.mark.parametrize("chapter", ["index", *(f"chapters/{name}" for name in [*CHAPTERS, "codebook"])])
def test_from_disk_every_figure_shows_and_comes_alive(pages, browser, chapter):
    page = opened(browser, f"{chapter}.html")
    stills = page.locator(".still")
    assert stills.count() == len(figures_of(f"{chapter}.html")) > 0
    for number in range(stills.count()):
        still = stills.nth(number)
        before = still.locator(".wide svg").bounding_box()
        assert before["width"] > 200 and before["height"] > 60
        awake(still, timeout=20000)
        after = still.locator(".wide svg").bounding_box()
        assert abs(after["height"] - before["height"]) < 4 and abs(after["width"] - before["width"]) < 4
        assert any(tooltip_at(page, mark) for mark in still.locator(".wide svg path").all()), f"no tooltip in figure {number + 1} of {chapter}"
    assert page.complaints == []
    page.context.close()


def test_figures_follow_the_dark_theme(pages, browser):
    colours = []
    for scheme in ("light", "dark"):
        page = opened(browser, "chapters/verdict.html", color_scheme=scheme)
        colours.append(page.evaluate("getComputedStyle(document.querySelector('.wide svg .role-axis-label text')).fill"))
        page.context.close()
    assert colours[0] != colours[1]


@pytest.mark.parametrize(
    "name, controls, before, after",
    [
        ("explore-stalled", {"rule_fewest": "7"}, ["Contradicted", "Contradicted"], ["Undecidable", "Undecidable"]),
        ("explore-momentum", {"rule_weight": "2", "rule_agreed": False}, ["Contradicted", "Partly"], ["Partly", "Contradicted"]),
        ("explore-embassy", {"rule_zone": True}, ["Partly", "Partly"], ["Supported", "Partly"]),
    ],
)
def test_a_verdict_follows_the_rule_that_a_reader_sets(pages, browser, name, controls, before, after):
    page = opened(browser, "chapters/verdict.html")
    still = page.locator(f"#fig-{name} .still")
    awake(still, timeout=20000)

    def said():
        return [text for text in still.locator(".wide svg text").all_text_contents() if text.lower() in ("supported", "partly", "undecidable", "unsupported", "contradicted")]

    assert said() == before
    for control, value in controls.items():
        box = still.locator(f".wide [name={control}]")
        box.set_checked(value) if isinstance(value, bool) else box.fill(value)
    page.wait_for_timeout(300)
    assert said() == after
    still.locator(".wide .reset button").click()
    page.wait_for_timeout(300)
    assert said() == before
    for control, value in controls.items():
        box = still.locator(f".wide [name={control}]")
        assert box.is_checked() is not value if isinstance(value, bool) else box.input_value() != value
    page.context.close()


def test_code_marks_no_word_that_would_look_the_same_without(pages):
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    for name in (config["pygments_style"], "a11y-high-contrast-dark"):
        style = get_style_by_name(name)
        assert {str(style.style_for_token(kind)) for kind in book_pages.PLAIN} == {str(style.style_for_token(Text))}
    text = (HTML / "chapters" / "verdict.html").read_text(encoding="utf-8")
    assert '<span class="k' in text and not re.search(r'<span class="(p|n|nn|nx|w)">', text)
