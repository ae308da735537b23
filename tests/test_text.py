"""Text of the data stays text: markup in any column of free text is shown as it is, in every form that the book writes."""

import dataclasses
import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import altair as alt
import bibtexparser
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

import retribution
from retribution import charts
from retribution.book import cards, cite, feeds, figures, register, table, versions

ROOT = Path(__file__).parents[1]
BAD = """</td></script></textarea></title>"'><b data-bad onclick=x></b> &lt;b data-bad&gt; **bad** __bad__ {claim}`C01` {glue:text}`n` [bad](javascript:x) $x$ {{x}} \\bad | <!-- ~~~"""
HERE = {"event": "2020-01-26-us-embassy-rockets", "claim": "C18"}


def free_text(descriptor):
    """Yield the table and the column of each free text: no list, no pattern, no key and no name of a column."""
    for resource in descriptor["resources"]:
        if resource["format"] == "csv":
            keys = {key["fields"][0] for key in resource["schema"].get("foreignKeys", [])} | {"kind", "event_id", "source_id", "table", "row", "column"}
            for field in resource["schema"]["fields"]:
                if field["type"] == "string" and not {"enum", "pattern"} & set(field.get("constraints", {})) and field["name"] not in keys:
                    yield resource["name"], field["name"]


FREE = list(free_text(cite.DATAPACKAGE))


@pytest.fixture(scope="module")
def bad():
    """Give the register a dataset whose every free text carries ``BAD``, and return it."""
    data = retribution.load()
    frames = {name: getattr(data, name).copy() for name in {name for name, _ in FREE}}
    for name, column in FREE:
        frames[name][column] = frames[name][column] + " " + BAD
    data = dataclasses.replace(data, **frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(register, "load", lambda: data)
        for kept in (register.data, register.index):
            kept.cache_clear()
        yield data
    for kept in (register.data, register.index):
        kept.cache_clear()


def assert_text(html):
    """Assert that HTML shows ``BAD`` and that nothing of it became an element, an attribute or a script."""
    page = BeautifulSoup(html, "html.parser")
    assert "data-bad" in html
    for part in page.find_all(True):
        assert "data-bad" not in part.attrs and not [name for name in part.attrs if name.startswith("on")], part
        assert not re.match(r"\s*javascript:", part.get("href", "")), part
    assert not page.select("script:not([type='application/ld+json'])")
    assert "&lt;b data-bad" in html or "\\u003cb data-bad" in html


def html_of(nodes):
    return "".join(node.astext() for part in nodes for node in part.findall(lambda n: n.tagname == "raw"))


def test_there_is_free_text_to_test():
    assert {("events", "title"), ("claims", "why"), ("reports", "supports"), ("sources", "origin"), ("actors", "aliases"), ("outlets", "tie"), ("counters", "gap_note")} <= set(FREE)


def test_the_register(bad):
    page = object.__new__(register._Register)
    page.data, page.index = bad, register.index()
    event = bad.events[bad.events["event_id"] == HERE["event"]]
    for entry, rows in ((page._event, event), (page._claim, bad.claims.head(1)), (page._actor, bad.actors.head(3)), (page._place, bad.places.head(3)), (page._retired, bad.retired.head(1))):
        assert_text(html_of(map(entry, rows.itertuples())))
    assert_text(page._sources("sources-2018").astext())


def test_table_cards_and_changes(bad):
    assert_text(table._page())
    assert json.loads(table._rows())
    source = bad.sources["source_id"].iloc[0]
    assert_text(cards._event(HERE["event"]) + cards._claim(HERE["claim"]) + cards._source(source))
    assert_text("".join(item for *_, items in versions._corrected(bad.corrections) for item in items) + "".join(map(versions._withdrawn, bad.retired.itertuples())))


def test_a_long_claim_without_a_pause_has_a_title():
    assert register.short("x" * 200) == "x" * 125 + " …"


def test_citations(bad):
    records = [cite.record(kind, name, BAD, "register/x.html") for kind, name in HERE.items()]
    assert_text("".join(map(cite.box, records)))
    assert_text(cite.tags(records[0], BAD, "../"))
    assert_text(cite.linked(cite.schema_reviews(bad.claims.head(2))))
    parsed = bibtexparser.parse_string(cite.bibtex(records))
    assert len(parsed.entries) == 2 and not parsed.failed_blocks
    assert re.search(r"\\textbackslash\{\}bad", parsed.entries[0]["title"])
    assert len(re.findall("^TY  - ", cite.ris(records), re.M)) == 2


def test_the_feed(bad):
    feed = ET.fromstring(ET.tostring(feeds.atom()))
    assert {part.tag.rpartition("}")[2] for part in feed.iter()} == {"feed", "id", "title", "updated", "author", "name", "rights", "link", "entry", "content"}
    assert any(BAD.partition(" &lt;")[0] in (part.text or "") for part in feed.iter())


def test_figures(tmp_path):
    rows = pd.DataFrame({"name": [BAD], "n": [1], "link": ["../register/2020-q1.html#x"]})
    pick = alt.param(name="pick", value=BAD, bind=alt.binding_select(options=[BAD], name=BAD))
    chart = alt.Chart(rows).mark_bar().encode(y=alt.Y("name:N", axis=alt.Axis(labelLimit=0)), x="n:Q", href="link:N", tooltip="name:N").add_params(pick)
    spec = charts.figure(chart, "bad", BAD, BAD, BAD, BAD).to_dict()
    assert_text(figures._picture(spec, "../", tmp_path) + figures._foot(spec, "Fig. 1", "../") + figures._tables(spec))
    assert_text(figures.pictures(spec, tmp_path)[1]["wide"].read_text(encoding="utf-8"))


def test_markdown(bad):
    parser = create_md_parser(MdParserConfig(enable_extensions={"colon_fence", "deflist"}), RendererHTML)
    shown = BeautifulSoup(parser.render(f"| a |\n|---|\n| {retribution.plain(BAD)} |"), "html.parser")
    assert shown.td.get_text() == BAD and {part.name for part in shown.td.find_all(True)} == set()
    shown = parser.parse(retribution.decides(bad.claims, "C01").data)
    assert [part.type for part in shown[3].children if part.type != "text"] == ["myst_role", "strong_open", "strong_close"]


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_chapter_hands_no_text_to_markdown_or_html_as_it_is(path):
    names = "|".join(sorted({column for _, column in FREE} - {"name"}))  # a name may be one that the chapter types
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and re.search(r"\b(?:Markdown|HTML)\(", code):
            assert not re.findall(rf"(?<![\{{`])\{{(?:r|row|claim)\.(?:{names}|names)\b[^}}]*\}}", code)
