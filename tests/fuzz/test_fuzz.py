"""A small part of the fuzzing, by chance that is always the same; all of it: ``make fuzz``."""

import ast
import csv
import errno
import json
import multiprocessing
import os
import random
import shutil
import time
import unicodedata
from pathlib import Path

import damage
import fuzz
import pandas as pd
import pytest
from damage import CELLS, DAMAGES, break_rule, put, rules
from hypothesis import given, settings
from hypothesis import strategies as st
from package import cut, read, write

from retribution.dataset import DATA, DataError, load, refresh

same = settings(derandomize=True, deadline=None, database=None, max_examples=40)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    base = tmp_path_factory.mktemp("fuzz") / "base"
    cut(base)
    return fuzz.Bench(base)


@pytest.mark.parametrize("seed", range(2 * len(DAMAGES)))
def test_damage_is_refused_or_harmless(bench, seed):
    damage, what, _, finding, _, _ = fuzz.judge(bench, seed)
    assert finding is None, f"{damage} of {what}: {finding}"


def refuses(*lines):
    def fault(_):
        raise DataError(list(lines))

    return fault


def breaking(bench, *place):
    """Return the mutant that breaks a rule at a place."""
    number, times = bench.places.index(place), DAMAGES.count(break_rule)
    return number // times * len(DAMAGES) + number % times


@pytest.mark.parametrize(
    "fault, rule, says",
    [
        (lambda bench: load(bench.base), "required", "accepted, though frictionless"),
        (lambda bench: load(bench.base), "formula", "accepted, though it holds"),
        (lambda bench: load(bench.base), "path", "accepted: not a plain file"),
        (lambda bench: load(bench.base), "distinct", "silent"),
        (lambda bench: load(bench.base), "descriptor", "silent"),
        (refuses("events.csv, row 2, column date_start: is below (rule: ordered)"), "ordered", "silent"),
        (refuses("events.csv: is wrong"), "required", "message"),
        (refuses("events.csv, row 2, column title: is low (rule: minimum)", "events.csv: is gone (rule: path)"), "path", "fired where no place is listed"),
        (lambda bench: 1 / 0, "required", "traceback: ZeroDivisionError"),
        (lambda bench: os.read(os.pipe()[0], 1), "required", "hangs"),
    ],
    ids=["accepts all", "accepts formulas", "accepts no file", "knows no twins", "accepts any descriptor", "says another rule", "says no rule", "says a rule that is none", "breaks down", "waits"],
)
def test_a_faulty_loader_is_found_out(bench, monkeypatch, fault, rule, says):
    table, column = {"path": ("events", ""), "ordered": ("events", "date_end"), "descriptor": ("", "")}.get(rule, ("events", "event_id"))
    monkeypatch.setattr(fuzz, "LIMIT", 0.05 if says == "hangs" else fuzz.LIMIT)
    monkeypatch.setattr(fuzz, "load", lambda _: fault(bench))
    assert fuzz.judge(bench, breaking(bench, table, column, rule))[3].startswith(says)


def test_every_place_of_a_rule_has_fired():
    with fuzz.FIRED.open(encoding="utf-8", newline="") as file:
        fired = {(row["table"], row["column"], row["rule"]): int(row["fired"]) for row in csv.DictReader(file)}
    silent, gone = [place for place in rules(DATA) if not fired.get(place)], [*fired.keys() - {*rules(DATA)}]
    assert not silent and not gone, f"not seen to fire: {silent[:5]}, listed but gone: {gone[:5]}; run: make fuzz"


def test_no_rule_of_the_descriptor_is_unknown_to_the_list():
    for resource in damage.described(DATA)["resources"]:
        schema = resource.get("schema", {"fields": []})
        assert resource.keys() <= damage.KEYS and schema.keys() <= damage.SCHEMA
        assert all(field.keys() <= damage.FIELD for field in schema["fields"])
        constraints = {field["name"]: field.get("constraints", {}) for field in schema["fields"]}
        if len(key := schema.get("primaryKey", [])) == 1:  # so that it needs no place of its own
            assert constraints[key[0]]["required"] and constraints[key[0]]["unique"]
        assert all(len(key["fields"]) == 1 for key in schema.get("foreignKeys", []))


def test_nothing_opens_an_archive():
    packers = {"bz2", "gzip", "lzma", "tarfile", "zlib", "zipfile", "zstandard", "pickle", "shelve", "marshal", "joblib"}
    opens = {"unpack_archive", "read_pickle", "decompress", "extract", "extractall"}
    for path in (DATA.parent / "retribution").rglob("*.py"):
        tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        nodes = [node for node in tree if isinstance(node, (ast.Import, ast.ImportFrom, ast.Attribute, ast.Call))]
        for node in nodes:
            where = f"{path.name}, line {node.lineno}"
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in packers and not {alias.name for alias in node.names} & opens, where
            elif isinstance(node, ast.Import):
                assert not {alias.name.split(".")[0] for alias in node.names} & (packers - {"zipfile"}), where
            elif isinstance(node, ast.Attribute):
                assert node.attr not in opens, where
            elif isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "zipfile.ZipFile":
                assert [ast.literal_eval(mode) for mode in node.args[1:2]] in (["w"], ["x"]), where


def set_cell(folder, table, column, value, row):
    """Put ``value`` into a cell of the package, by the row's place in the file, and renew the hashes."""
    rows = read(folder / f"{table}.csv")
    put(rows, None, value, column=rows[0].index(column), row=row)
    write(folder / f"{table}.csv", rows)
    refresh(folder)


@same
@given(text=st.text(max_size=50))
def test_any_text_is_kept_to_the_letter_or_refused(bench, text):
    bench.reset()
    set_cell(bench.folder, "places", "note", text, 2)
    try:
        note = load(bench.folder).places["note"][1]
        assert note == text or (text == "" and note != note)
    except DataError as error:
        assert {line[:31] for line in error.problems} <= {"places.csv, row 3, column note: ", "places.csv, row 3, column note:"}
        assert not text.isprintable() or text != text.strip() or "NFC" in str(error) or text[0] in "=+-@＝＋－＠"


def shown(value):
    """Return a value as its cell is written."""
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return str(value)[:10]
    return str(value).lower() if pd.api.types.is_bool(value) else str(value)


COLUMNS = [(table["name"], field["name"], field["type"]) for table in damage.tables(DATA) for field in table["schema"]["fields"]]


@settings(same, max_examples=150)
@given(column=st.sampled_from(COLUMNS), text=st.one_of(st.text(max_size=30), st.text("a1 ", min_size=1, max_size=3), st.text("019-.aen=+\u0301\u200b\n", max_size=6), st.dates().map(str), st.sampled_from([cell for cell in CELLS if len(cell) < 1000])))
def test_any_text_in_any_cell_is_kept_to_the_letter_or_refused(bench, column, text):
    table, name, kind = column
    bench.reset()
    set_cell(bench.folder, table, name, text, 1)
    try:
        value = getattr(load(bench.folder), table)[name][0]
    except DataError as error:
        assert all(fuzz.LINE.fullmatch(line) for line in error.problems)
        assert any(line.startswith(f"{table}.csv") or f"is not in {table}.csv" in line or "rule: starts" in line for line in error.problems)
    else:
        if (table, name, text) == ("reports", "origin", ""):  # that of its document, then
            return
        assert (shown(value) == text) if kind != "number" or not text else (value == float(text)), (value, text)


@same
@given(text=st.text(st.characters(blacklist_categories=["C", "Z"]), max_size=30), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]), end=st.sampled_from(["\n", "\r\n"]), mark=st.sampled_from(["", "\ufeff"]))
def test_what_is_read_can_be_written_and_is_read_the_same(bench, text, quoting, end, mark):
    bench.reset()
    set_cell(bench.folder, "places", "note", "x" + unicodedata.normalize("NFC", text), 1)
    data = load(bench.folder)
    for table in damage.tables(bench.folder):
        names = [field["name"] for field in table["schema"]["fields"]]
        rows = getattr(data, table["name"])[names].itertuples(index=False, name=None)
        with (bench.folder / table["path"]).open("w", encoding="utf-8", newline="") as file:
            file.write(mark)
            csv.writer(file, quoting=quoting, lineterminator=end).writerows([names, *(map(shown, row) for row in rows)])
    refresh(bench.folder)
    again = load(bench.folder)
    for table in damage.tables(bench.folder):
        pd.testing.assert_frame_equal(getattr(again, table["name"]), getattr(data, table["name"]))


@same
@given(number=st.one_of(st.floats(), st.integers(), st.decimals()).map(str))
def test_any_number_is_read_as_it_is_written_or_refused(bench, number):
    bench.reset()
    set_cell(bench.folder, "series", "value", number, 1)
    try:
        assert load(bench.folder).series["value"][0] == float(number)
    except DataError as error:
        assert error.problems[0] == f"series.csv, row 2, column value: {number[:80]!r} is not a number (rule: type)"
        assert "e" in number.lower() or "n" in number.lower() or abs(float(number)) >= 1e15


@same
@given(content=st.binary(max_size=200), path=st.sampled_from(["events.csv", "geo/land.geojson", "datapackage.json"]))
def test_any_bytes_are_refused_in_plain_words(bench, content, path):
    bench.reset()
    (bench.folder / path).write_bytes(content)
    for read_it in (refresh, load):
        try:
            read_it(bench.folder)
        except DataError as error:
            assert all(fuzz.LINE.fullmatch(line) for line in error.problems)
        else:
            assert read_it is refresh


# What the fuzzing found, each mended


@pytest.fixture
def small(bench):
    bench.reset()
    return bench.folder


def refused(folder, *readers):
    """Return the first problem, after making sure that ``load`` (and each of ``readers``) has so many words for it."""
    for read_it in (*readers, load):
        with pytest.raises(DataError) as caught:
            read_it(folder)
    return caught.value.problems


@pytest.mark.parametrize(
    "table, column, value, rule",
    [
        ("places", "name", "Bagh\u200bdad", "characters"),
        ("places", "name", "\u202eBaghdad", "characters"),
        ("places", "name", "Bagh\u00a0dad", "characters"),
        ("places", "note", "two\nlines", "characters"),
        ("places", "note", "\0", "characters"),
        ("sources", "publisher", "E\u0301cho", "characters"),
        ("reports", "killed_low", "\u0663", "type"),
        ("events", "date_end", "\u0662\u0660\u0662\u0660-01-03", "type"),
    ],
)
def test_look_alikes(small, table, column, value, rule):
    set_cell(small, table, column, value, 1)
    line = refused(small)[0]
    assert line.startswith(f"{table}.csv, row 2, column {column}: {value!r} ") and line.endswith(f"(rule: {rule})")


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda rows: [row.append(row[0]) for row in rows], "places.csv, column place_id: is not in the descriptor, or is there twice"),
        (lambda rows: [row.insert(0, row.pop()) for row in rows], "places.csv: its columns do not stand in the order of the descriptor"),
        (lambda rows: rows[0].__setitem__(0, "x" * 10**5), f"places.csv, column {'x' * 80}: is not in the descriptor, or is there twice"),
        (lambda rows: rows[0].__setitem__(0, "two\nlines"), "places.csv, column two\\nlines: is not in the descriptor, or is there twice"),
        (lambda rows: rows.__setitem__(slice(None), [[""] * 10**6]), "places.csv, column : is not in the descriptor, or is there twice"),
    ],
    ids=["doubled column", "columns in another order", "endless name", "name of two lines", "a million columns without a name"],
)
def test_columns(small, change, says):
    rows = read(small / "places.csv")
    change(rows)
    write(small / "places.csv", rows)
    refresh(small)
    found = refused(small)
    assert f"{says} (rule: fields)" in found and len(found) < 20


@pytest.mark.parametrize("content", ["[" * 100_000, "null", '{"features": []}', '{"features": [NaN]}', '{"features": ["\\ud800"]}'], ids=["deep", "null", "no features", "not a number", "half a character"])
def test_outlines(small, content):
    (small / "geo/land.geojson").write_text(content)
    refresh(small)
    [line] = refused(small)
    assert line.startswith("geo/land.geojson: not valid GeoJSON: ") and line.endswith("(rule: format)")


def elsewhere(file):
    moved = file.rename(file.parent.parent / file.name)
    file.symlink_to(moved)


def endless(file):
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)


@pytest.mark.parametrize("path", ["places.csv", "geo/land.geojson", "datapackage.json"])
@pytest.mark.parametrize("replace", [Path.mkdir, os.mkfifo, endless, lambda file: file.symlink_to(file.name), lambda file: file.symlink_to("/dev/zero"), None], ids=["directory", "pipe", "endless", "loop", "device", "link"])
def test_only_plain_files_of_a_size_are_opened(small, path, replace):
    if replace:
        (small / path).unlink()
    (replace or elsewhere)(small / path)
    [line] = refused(small, refresh)
    assert line.startswith(f"{path}: is ") and line.endswith("(rule: path)")


@pytest.mark.parametrize("path", ["../outside.csv", "/etc/hosts", "geo/../places.csv", "/dev/zero"])
def test_no_path_leads_out_of_the_package(small, path):
    shutil.copy(small / "places.csv", small.parent / "outside.csv")
    descriptor = json.loads((small / "datapackage.json").read_text())
    next(r for r in descriptor["resources"] if r["name"] == "places")["path"] = path
    (small / "datapackage.json").write_text(json.dumps(descriptor))
    [line] = refused(small, refresh)
    assert line.startswith(f"{path}: is not a plain file within package/")


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"resources": [1]}', '{"resources": 7}', "[" * 100_000, "\ufeff{}"], ids=["empty", "cut short", "a list", "no resources", "no names", "a number", "deep", "byte order mark"])
def test_descriptor_that_is_none(small, content):
    (small / "datapackage.json").write_text(content)
    [line] = refused(small, refresh)
    assert line.startswith("datapackage.json: ") and line.endswith("(rule: descriptor)")


@pytest.mark.parametrize(
    "damage",
    [
        lambda tables: tables.pop("places"),
        lambda tables: tables["places"].update(name="sites"),
        lambda tables: tables["places"].update(path=7),
        lambda tables: tables["places"].update(path=" "),
        lambda tables: tables["places"].update(schema="x"),
        lambda tables: tables["places"].update(title="\ud800"),
        lambda tables: tables["places"].update(together=[["lat", "height"]]),
        lambda tables: tables["places"]["schema"]["fields"][0].update(type="word"),
        lambda tables: tables["places"]["schema"]["fields"][0].update(constraints={"pattern": "("}),
        lambda tables: tables["events"].update(allowed="x"),
    ],
    ids=["table lost", "table renamed", "path", "blank path", "schema", "half a character", "column of a rule", "type", "pattern", "allowed"],
)
def test_descriptor_that_cannot_be_followed(small, damage):
    descriptor = json.loads((small / "datapackage.json").read_text())
    tables = {r["name"]: r for r in descriptor["resources"]}
    damage(tables)
    (small / "datapackage.json").write_text(json.dumps(descriptor | {"resources": list(tables.values())}))
    [line] = refused(small)
    assert line.startswith("datapackage.json: ") and line.endswith("(rule: descriptor)")


# Interruption of what writes to the data


def slow(path, text, encoding):
    path.write_bytes(text[:100].encode())
    time.sleep(0.01)
    path.write_bytes(text.encode())


def for_ever(folder):
    Path.write_text = slow  # in this process: a disk slow enough for the kill to fall into the writing
    while True:
        refresh(folder)


def test_a_refresh_that_is_killed_leaves_a_whole_descriptor(small):
    sound, chance = (small / "datapackage.json").read_bytes(), random.Random(1)
    for _ in range(50):
        process = multiprocessing.get_context("fork").Process(target=for_ever, args=[small])
        process.start()
        time.sleep(chance.random() / 10)
        process.kill()
        process.join()
        assert (small / "datapackage.json").read_bytes() == sound


def test_a_refresh_without_room_leaves_a_whole_descriptor_and_says_so(small, monkeypatch):
    before = sorted(small.rglob("*")), (small / "datapackage.json").read_bytes()

    def full(path, text, encoding):
        path.write_bytes(text[:100].encode())
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(DataError, match="datapackage.json: cannot be written: No space left on device"):
        refresh(small)
    assert before == (sorted(small.rglob("*")), (small / "datapackage.json").read_bytes())
