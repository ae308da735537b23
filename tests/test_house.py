"""The files around the book agree with each other."""

import csv
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import retribution
from retribution.book import __main__ as book
from retribution.shelves import MOST, shelf, shelves

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))


def direct_pins():
    groups = PROJECT["project"]["optional-dependencies"].values()
    return {pin for group in [PROJECT["project"]["dependencies"], *groups] for pin in group}


def test_environment_pins_what_the_project_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    assert set(pip) - {"-e ."} == direct_pins()


def test_lock_holds_every_pin_with_hashes():
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    locked = dict(re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", lock, re.M))
    for pin in direct_pins():
        name, version = pin.split("==")
        assert locked[name.lower()] == version, name
    requirements = re.split(r"\n(?=[a-z0-9])", re.sub(r"^ *#.*\n", "", lock, flags=re.M).strip())
    assert len(requirements) >= len(locked) > 100
    assert all("--hash=sha256:" in requirement for requirement in requirements)


def test_advisories_are_answered_for_the_locked_versions():
    """A pin that has moved since must be asked about again."""
    pins = [pin for name in ["requirements.txt", "requirements-uv.txt"] for pin in re.findall(r"^([a-z0-9_.-]+)==([^ ;\\]+)", (ROOT / name).read_text(encoding="utf-8"), re.M)]
    with open(ROOT / "tests" / "audit" / "advisories.csv", encoding="utf-8", newline="") as file:
        answers = list(csv.DictReader(file))
    packages = {answer["package"] for answer in answers}
    assert {(answer["package"], answer["version"]) for answer in answers} == {pin for pin in pins if pin[0] in packages}
    assert all(answer["affected"] in ["yes", "no"] and answer["why"] for answer in answers)
    assert len({(answer["package"], answer["version"], answer["advisory"]) for answer in answers}) == len(answers) > 0


def test_versions_and_licence_agree():
    package = json.loads((ROOT / "data" / "datapackage.json").read_text(encoding="utf-8"))
    versions = {CFF["version"], CFF["preferred-citation"]["version"], PROJECT["project"]["version"], package["version"]}
    assert len(versions) == 1
    assert CFF["license"] == package["licenses"][0]["name"] == "CC-BY-4.0"
    assert "doi" not in json.dumps(CFF, default=str)
    newest = re.search(r"^## \[([\d.]+)\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert newest.groups() == (CFF["version"], str(CFF["date-released"]))


def test_every_page_of_entries_is_listed_in_order():
    listed = re.findall(r"register/(\S+)", (ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for kind in MOST:
        pages = [page.name for page in shelves(kind)]
        assert [name for name in listed if name in pages] == pages


def test_an_entry_stands_where_its_id_says():
    assert [shelf("event", name) for name in ("2020-01-15-x", "2020-01-16-x", "2020-03-31-x", "2020-04-01-x")] == ["2020-q1", "2020-01-16", "2020-01-16", "2020-q2"]
    assert [shelf("source", name) for name in ("a-2001-02-03-00000", "a-2020-01-31-00000", "a-2020-02-01-00000", "d-undated-00000", "e-undated-00000")] == ["sources-2018", "sources-2020-01", "sources-2020-02", "sources-undated", "sources-undated-e"]


def test_what_to_do_where_a_page_is_lacking_or_full(monkeypatch):
    data = retribution.load()
    assert book._amiss(data) == []
    monkeypatch.setitem(MOST, "event", 102)
    full, = book._amiss(data)
    assert full.startswith("register/2020-01-16.md: 105 events are on it, the most is 102;") and "such as 2020-01-" in full and full.endswith("make anchors")
    data.events.loc[0, "event_id"] = "2031-02-03-x"
    assert book._amiss(data)[0].startswith("register/2031-q1.md: there are events of this quarter; copy a page")


def test_every_quarter_with_an_event_has_its_page():
    events = retribution.load().events
    quarters = {f"{day.year}-q{day.quarter}" for day in events["date_start"]}
    pages = {path.stem for path in (ROOT / "register").glob("*-q*.md")}
    listed = set(re.findall(r"register/(\d{4}-q\d)", (ROOT / "_toc.yml").read_text(encoding="utf-8")))
    assert quarters == pages == listed
    assert all(f"{{register}} {path.stem}" in path.read_text(encoding="utf-8") for path in (ROOT / "register").glob("*-q*.md"))


@pytest.mark.parametrize("path", sorted((ROOT / "chapters").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_carry_outputs_and_nothing_that_changes(path):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert set(notebook["metadata"]) == {"description", "versions", "kernelspec", "language_info"}
    assert notebook["metadata"]["versions"][0]["version"] <= CFF["version"]
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(ids) == len(set(ids)) and all(re.fullmatch("[a-z0-9-]+", name) for name in ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    assert all("execution" not in cell["metadata"] for cell in code)
    assert not [output for cell in code for output in cell["outputs"] if output.get("name") == "stderr"]
    assert "hide-input" in str(code[0]["metadata"])


@pytest.mark.parametrize("path", [ROOT / "index.md", *sorted((ROOT / "chapters").glob("*.ipynb"))], ids=lambda path: path.stem)
def test_prose_asks_only_for_numbers_that_a_cell_tells(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    asked = set(re.findall(r"\{glue:text\}`([a-z0-9_]+)`", text))
    told = set(re.findall(r"^    ([a-z0-9_]+)=", text, re.M)) | set(re.findall(r"[(,] ?([a-z0-9_]+)=", "".join(re.findall(r"^tell\(.*\)$", text, re.M))))
    assert asked <= told, asked - told


# Numbers that prose may type: names, and the figures of the article that is tested.
TYPED = {
    "202.8": "the cap of the 2015 accord, its name in the debate",
    "300 kg": "the same cap, in uranium hexafluoride",
    "3.67": "the accord's limit of enrichment, its name in the debate",
    "20%": "a grade of enrichment, by its name",
    "60%": "a grade of enrichment, by its name",
    "95%": "the width of an interval, a convention",
    "5%": "the level of a test, a convention",
    "5+1": "the format of the talks, a name",
    "4.0": "the licence CC BY 4.0",
    "3.11": "the version of Python",
    "(version 2)": "of the Data Package standard",
    "26 claims": "the claims of the article, C01 to C26",
    "MQ-9": "an aircraft, a name",
    "K1": "a base, a name",
    "Resolution 2231": "a resolution, a name",
    "Tower 22": "a base, a name",
    "PS752": "a flight, a name",
    "+1": "a code of exit pressure",
    "−1": "a code of exit pressure",
    "E3": "France, Germany and the United Kingdom, a name",
}
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"


def typed_numbers(text):
    """Return the numbers that prose types and neither a cell tells, nor a source in the sentence, nor ``TYPED``."""
    text = re.sub(r"\A---\n.*?\n---\n|```.*?```|^%%.*$", " ", text, flags=re.S | re.M)
    text = re.sub(r"`[^`]*\.(?:com|org|net)[^`]*`|^\s*\d+\. ", " ", text, flags=re.M)
    found = []
    for sentence in re.split(r"(?<=[.!?:;])\s+|\n\n", text):
        if re.search(r"\{source\}`|\]\(https?://", sentence):
            continue
        bare = re.sub(r"\{[a-z:]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|https?://\S+", " ", sentence)
        for name in TYPED:
            bare = bare.replace(name, " ")
        bare = re.sub(rf"\b\d{{1,2}}(?:(?:\s*[–-]\s*| to | and | or |, )\d{{1,2}})*(?:st|nd|rd|th)?(?: (?:{MONTHS})\b|(?= (?:to|and|or) \d{{1,2}} (?:{MONTHS})))", " ", bare)
        bare = re.sub(r"\b(?:19|20)\d\d(?:[–-](?:\d\d){1,2})?s?\b|\bC\d\d\b|\b\d{1,2}th\b(?= of)", " ", bare)
        found += re.findall(r"\d[\d,.]*", bare)
    return found


@pytest.mark.parametrize("path", [ROOT / "index.md", *sorted((ROOT / "chapters").glob("*.ipynb"))], ids=lambda path: path.stem)
def test_prose_types_no_number_of_its_own(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown")
    else:
        text = re.sub(r"```\{code-cell\}.*?```", "", text, flags=re.S)
    assert typed_numbers(text) == []


ARGUMENT = [chapter["file"] for chapter in TOC["parts"][0]["chapters"]]


def words_of(text):
    """Return the number of words of prose in MyST text: a role counts as what it shows, about four words a title."""
    text = re.sub(r"\{(?:event|claim|source|numref)\}`(?:([^`<]*)<)?[^`]*`", r"\1 x", re.sub(r"```.*?```", " ", text, flags=re.S))
    text = re.sub(r"\{glue:text\}`[^`]*`", "9", re.sub(r"\]\([^)]*\)", " ", text))
    return len(re.findall(r"[A-Za-z0-9][\w'’,.%–-]*", text))


@pytest.mark.parametrize("name", ARGUMENT)
def test_chapters_open_with_the_answer_and_end_with_limits(name):
    cells = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    assert 1200 <= words_of(prose) <= 2500
    opening = "".join(cells[0]["source"]).split("\n\n")
    assert opening[0].startswith("# ") and re.match(r"\*\*[^*]+\?\*\*", opening[1])
    assert opening[1].count("{glue:text}") >= 3
    assert name == "chapters/verdict" or "retribution.decides(data.claims" in code
    assert re.findall(r"^## (.+)$", prose, re.M)[-2:] == ["Limits", "What would change this answer"]


def test_every_claim_is_decided_in_a_chapter():
    code = "".join((ROOT / f"{name}.ipynb").read_text(encoding="utf-8") for name in ARGUMENT)
    decided = {claim for call in re.findall(r"retribution\.decides\(data\.claims,([^)]*)\)", code) for claim in re.findall(r"C\d\d", call)}
    assert decided == set(retribution.load().claims["claim_id"])


@pytest.mark.parametrize(
    "text, found",
    [
        ("There were 17 attacks.", ["17"]),
        ("There were {glue:text}`n` attacks on 3 January 2020, in 2019–20 and from 4 to 31 January.", []),
        ("It hurt 3 ({source}`afp-2020`).", []),
        ("It hurt 3. So says {source}`afp-2020`.", ["3."]),
        ("The cap of 202.8 kg and {claim}`C02`.", []),
        ("Some 5,200 troops, see [the page](a-2020.html).", ["5,200"]),
    ],
)
def test_typed_numbers_are_found(text, found):
    assert typed_numbers(text) == found


def test_the_worked_example_stands_in_the_tables():
    blocks = re.findall(r"```csv\n(data/\w+\.csv)\n(.+?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S)
    assert [path for path, _ in blocks] == ["data/events.csv", "data/sources.csv", "data/reports.csv"]
    for path, rows in blocks:
        assert set(rows.splitlines()) <= set((ROOT / path).read_text(encoding="utf-8").splitlines()), path


def test_make_names_every_documented_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z]+)", readme):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_without_python_the_first_line_says_so(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    done = subprocess.run(["make", "-C", tmp_path, "PYTHON=", "book"], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if not line.startswith("make")]
    assert done.returncode != 0
    assert lines[0].startswith("Python 3.11 or newer is needed")
