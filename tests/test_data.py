"""The real data keep their descriptor, reach the floors set for the book, and no damage to them goes unreported."""

import csv
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import frictionless
import numpy as np
import pandas as pd
import pytest

import retribution
from retribution import stats
from retribution.dataset import DATA, MEASURES, DataError, draw, load, near_pairs, refresh

ROW = 7  # the line that cell damages hit: neither the first nor the last of any table with rows


@pytest.fixture(scope="module")
def data():
    return load()


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copytree(DATA, tmp_path / "data"))


# The data as they are


def test_frictionless_finds_the_package_valid():
    report = frictionless.Package(str(DATA / "datapackage.json")).validate()
    assert report.valid, report.flatten(["name", "rowNumber", "fieldName", "message"])


def test_descriptor_has_what_a_data_package_needs(data):
    package = data.descriptor
    assert package["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert package["name"] and package["version"] and package["licenses"] and package["sources"]
    for resource in package["resources"]:
        assert {"name", "path", "title", "description", "format", "mediatype"} <= set(resource)
        assert re.fullmatch("sha256:[0-9a-f]{64}", resource["hash"])
        assert resource["bytes"] == (DATA / resource["path"]).stat().st_size
        if resource["format"] == "csv":
            assert resource["type"] == "table"
            assert isinstance(resource["rows"], int)
            assert all(field["name"] and field["type"] and field["description"] for field in resource["schema"]["fields"])


def test_descriptor_lists_every_file(data):
    files = {path.relative_to(DATA).as_posix() for path in DATA.rglob("*") if path.is_file()}
    assert files == {resource["path"] for resource in data.descriptor["resources"]} | {"datapackage.json"}


def test_each_kind_allowed_is_defined(data):
    events = next(r for r in data.descriptor["resources"] if r["name"] == "events")
    assert {domain: list(kinds) for domain, kinds in data.descriptor["kinds"].items()} == events["allowed"]["values"]


def test_coverage_keeps_its_floors(data):
    force = data.events["domain"].isin(["proxy_attack", "state_strike"])
    dense = data.events["date_start"].between("2019-05-01", "2021-12-31")
    assert (force & dense).sum() >= 400
    assert (~force & (data.events["date_start"] <= "2021-12-31")).sum() >= 350
    assert (data.events["origins"] >= 2).mean() >= 0.65
    assert len(data.reports) >= 1500
    assert len(data.counters) >= 60
    assert data.verification["found"].sum() >= 150
    assert data.coding["event_id"].nunique() >= 150


def test_every_claim_is_judged_on_evidence(data):
    assert list(data.claims["claim_id"]) == [f"C{n:02}" for n in range(1, 27)]
    assert data.claims[["resolution_rule", "verdict_day", "verdict_hindsight", "confidence"]].notna().all(axis=None)
    assert (data.evidence.groupby("claim_id").size().reindex(data.claims["claim_id"]) >= 2).all()


def test_all_domains_and_series_are_there(data):
    assert set(data.events["domain"]) == set(data.descriptor["kinds"])
    assert len(data.descriptor["kinds"]) == 6
    present = set(data.series["series_id"])
    assert {"uranium_stock", "us_troops_iraq", "protest_deaths_iraq", "bases_handed_over"} <= present
    assert {"iran_oil_exports", "rial"} & present
    deaths = data.series[data.series["series_id"] == "protest_deaths_iraq"]
    assert deaths[["low", "high"]].notna().all(axis=1).any()


def test_every_event_has_a_report_and_every_source_a_use(data):
    assert set(data.events["event_id"]) == set(data.reports["event_id"])
    used = pd.concat([data.reports["source_id"], data.evidence["source_id"], data.series["source_id"], data.counters["source_id"], data.outlets["source_id"]])
    assert set(data.sources["source_id"]) == set(used.dropna())


def test_retired_ids_are_gone_and_lead_somewhere(data):
    assert not set(data.retired["event_id"]) & set(data.events["event_id"])


def test_corrections_are_what_the_tables_say_now(data):
    keys = {"events": ["event_id"], "claims": ["claim_id"], "sources": ["source_id"], "reports": ["event_id", "source_id"]}
    with_row = data.corrections[~data.corrections["row"].str.startswith("every ")].drop_duplicates(["table", "row", "column"], keep="last")
    assert len(with_row)
    for table, changes in with_row[with_row["table"].isin(keys)].groupby("table"):
        with (DATA / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            rows = {" / ".join(row[key] for key in keys[table]): row for row in csv.DictReader(file)}
        for change in changes.itertuples():
            if change.row in rows and change.column not in keys[table]:
                assert rows[change.row][change.column] == ("" if pd.isna(change.now) else change.now), (change.row, change.column)


def test_every_disagreement_of_the_coders_is_settled(data):
    codes = {coder: rows.set_index("event_id") for coder, rows in data.coding.groupby("coder")}
    columns = ["domain", "kind", "attribution", "exit_pressure"]
    differ = {(event, column) for column in columns for event in codes[1].index if str(codes[1].at[event, column]) != str(codes[2].at[event, column])}
    assert differ == set(data.settled[["event_id", "column"]].itertuples(index=False, name=None))
    now = data.events.set_index("event_id")
    for row in data.settled.itertuples():
        value = now.at[row.event_id, row.column]
        assert ("" if pd.isna(value) else str(value)) == ("" if pd.isna(row.settled) else row.settled), row
    assert set(data.settled["rule"]) <= set(data.descriptor["rules"])


def test_outlets_name_origins_or_publishers(data):
    named = set(data.sources["origin"]) | set(data.sources["publisher"]) | set(data.reports["origin"])
    assert set(data.outlets["outlet"]) <= named
    assert data.reports["alignment"].notna().mean() > 0.1


def test_no_origin_has_two_spellings(data):
    spelt = pd.concat([data.sources["origin"], data.reports["origin"]]).drop_duplicates()
    plain = spelt.str.lower().str.replace(r"^the |\bal[- ]| (?:news )?agency$|[^a-z0-9]", "", regex=True)
    assert spelt[plain.duplicated(keep=False)].tolist() == []


def test_figures_stand_with_the_act_that_they_are_of(data):
    words = data.events[data.events["kind"].isin(["condemnation", "clerical_statement"])]
    rows = data.reports[data.reports["event_id"].isin(words["event_id"])]
    assert rows[[f"{measure}_{end}" for measure in MEASURES for end in ("low", "high")]].isna().all(axis=None)


def test_gaps_to_published_totals_are_explained(data):
    for _, row in data.counters.iterrows():
        least, most = stats.recount(data, row)
        high = row["count_low"] if pd.isna(row["count_high"]) else row["count_high"]
        agrees = least <= high * 1.2 and most >= row["count_low"] * 0.8
        assert agrees if row["gap"] == "agrees" else isinstance(row["gap_note"], str), (row["statement_date"], row["counts_what"], least, most)
        assert not agrees or row["gap"] in ("agrees", "definition"), (row["statement_date"], row["counts_what"], least, most)


def test_january_2020_is_dense(data):
    assert data.events["date_start"][data.events["date_start"].between("2019-12-27", "2020-01-31")].nunique() >= 25


def test_evidence_on_the_day_was_there_on_the_day(data):
    cited = data.evidence[data.evidence["horizon"] == "day"].merge(data.events, on="event_id")
    assert cited.loc[cited["date_start"] > "2020-01-31", ["claim_id", "event_id"]].empty


def test_addresses_are_public_and_titles_short(data):
    local = r"^file:|//(?:localhost|127\.|10\.|192\.168\.)|/(?:work|root|tmp|mnt|Users)/|//home/|\.library|\\"
    assert not data.sources["url"][data.sources["url"].str.contains(local)].tolist()
    assert data.events["title"].str.len().max() <= 90


def test_filters_of_counters_name_what_exists(data):
    known = {
        "filter_domain": data.events["domain"],
        "filter_kinds": data.events["kind"],
        "filter_country": data.places["country"],
        "filter_targets": data.actors["actor_id"],
        "filter_places": data.places["place_id"],
    }
    for column, values in known.items():
        assert set(data.counters[column].dropna().str.split("|").explode()) <= set(values), column


# Damage to a copy


def rewrite(path, change):
    """Let ``change`` edit the file's rows, lists of cells with the header first."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def put(path, row=ROW, **cells):
    def change(rows):
        for column, value in cells.items():
            rows[row - 1][rows[0].index(column)] = value

    rewrite(path, change)


def problems(folder):
    with pytest.raises(DataError) as caught:
        load(folder)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


def assert_reported(found, where, rule):
    assert any(line.startswith(where) and line.endswith(f"(rule: {rule})") for line in found), "\n".join(found)


CELLS = [
    # table, cells put into the row, column named, rule
    ("events", {"date_start": "8 May 2018"}, "date_start", "type"),
    ("events", {"date_end": "2020-1-3"}, "date_end", "type"),
    ("events", {"date_end": "2020-02-30"}, "date_end", "type"),
    ("events", {"exit_pressure": "1.5"}, "exit_pressure", "type"),
    ("reports", {"killed_low": "three"}, "killed_low", "type"),
    ("reports", {"killed_low": "NA"}, "killed_low", "type"),
    ("series", {"value": "nan"}, "value", "type"),
    ("series", {"value": "inf"}, "value", "type"),
    ("series", {"value": "1,5"}, "value", "type"),
    ("claims", {"forecast": "yes"}, "forecast", "type"),
    ("claims", {"forecast": "True"}, "forecast", "type"),
    ("events", {"domain": "politics"}, "domain", "enum"),
    ("events", {"exit_pressure": "2"}, "exit_pressure", "enum"),
    ("claims", {"verdict_day": "true"}, "verdict_day", "enum"),
    ("events", {"domain": "diplomacy", "kind": "rocket"}, "kind", "allowed"),
    ("events", {"place_id": "nowhere"}, "place_id", "foreignKeys"),
    ("events", {"target_id": "nobody"}, "target_id", "foreignKeys"),
    ("events", {"responds_to": "2020-01-03-nothing"}, "responds_to", "foreignKeys"),
    ("reports", {"source_id": "no-such-page"}, "source_id", "foreignKeys"),
    ("reports", {"attributed_to": "nobody"}, "attributed_to", "foreignKeys"),
    ("evidence", {"claim_id": "C99"}, "claim_id", "foreignKeys"),
    ("evidence", {"event_id": "2020-01-03-nothing", "source_id": ""}, "event_id", "foreignKeys"),
    ("series", {"source_id": "no-such-page"}, "source_id", "foreignKeys"),
    ("events", {"date_end": "2018-01-01"}, "date_end", "ordered"),
    ("counters", {"window_end": "2001-01-01"}, "window_end", "ordered"),
    ("reports", {"killed_low": "5", "killed_high": "3"}, "killed_high", "ordered"),
    ("series", {"low": "5.5", "high": "3.5"}, "high", "ordered"),
    ("reports", {"wounded_low": "", "wounded_high": "3"}, "wounded_high", "needs"),
    ("events", {"event_id": "1999-01-01-elsewhere"}, "event_id", "starts"),
    ("events", {"title": ""}, "title", "required"),
    ("sources", {"origin": ""}, "origin", "required"),
    ("series", {"value": "", "low": "", "high": ""}, "value", "anyOf"),
    ("events", {"title": "x" * 91}, "title", "maxLength"),
    ("places", {"lat": "33.5", "lon": ""}, "lat", "together"),
    ("places", {"lat": "90.1", "lon": "44"}, "lat", "maximum"),
    ("places", {"lat": "33", "lon": "-181"}, "lon", "minimum"),
    ("reports", {"munitions_low": "-1"}, "munitions_low", "minimum"),
    ("sources", {"url": "www.example.org"}, "url", "pattern"),
    ("sources", {"url": "javascript:alert(1)//https://example.org"}, "url", "pattern"),
    ("sources", {"url": "data:text/html,x"}, "url", "pattern"),
    ("sources", {"source_id": "Has Capitals"}, "source_id", "pattern"),
    ("reports", {"supports": '=HYPERLINK("https://example.org")'}, "supports", "formula"),
    ("sources", {"title": "@SUM(1)"}, "title", "formula"),
    ("places", {"note": "-2+3"}, "note", "formula"),
    ("places", {"note": "＝1"}, "note", "formula"),
    ("places", {"name": " Baghdad"}, "name", "spaces"),
    ("events", {"summary": "It happened. "}, "summary", "spaces"),
    ("events", {"summary": " "}, "summary", "spaces"),
    ("counters", {"gap": "other"}, "gap", "enum"),
    ("settled", {"rule": "Z9"}, "rule", "enum"),
    ("outlets", {"party": "nobody"}, "party", "foreignKeys"),
    ("distinct", {"other_id": "2020-01-03-nothing"}, "other_id", "foreignKeys"),
]


@pytest.mark.parametrize("table, cells, column, rule", CELLS, ids=[f"{t}-{c}-{r}-{list(v.values())[-1][:12]}" for t, v, c, r in CELLS])
def test_bad_cell(copy, table, cells, column, rule):
    put(copy / f"{table}.csv", **cells)
    refresh(copy)
    value = repr(cells[column][:80])[:-1] if cells[column] else ""  # a typed value may be shown longer than it was written
    assert_reported(problems(copy), f"{table}.csv, row {ROW}, column {column}: {value}", rule)


@pytest.mark.parametrize("event, source", [("", ""), ("both", "both")], ids=["neither", "both"])
def test_evidence_is_an_event_or_a_document(copy, data, event, source):
    put(copy / "evidence.csv", event_id=event and data.events["event_id"][0], source_id=source and data.sources["source_id"][0])
    refresh(copy)
    [line] = problems(copy)
    assert_reported([line], f"evidence.csv, row {ROW}, column event_id: ", "oneOf")


@pytest.mark.parametrize(
    "table, columns, rule",
    [
        ("events", ["event_id"], "unique"),
        ("sources", ["url"], "unique"),
        ("claims", ["claim_id"], "unique"),
        ("reports", ["event_id", "source_id"], "primaryKey"),
        ("verification", ["event_id", "source_id"], "primaryKey"),
    ],
)
def test_duplicate(copy, data, table, columns, rule):
    first = getattr(data, table).iloc[0]
    put(copy / f"{table}.csv", **{column: first[column] for column in columns})
    refresh(copy)
    assert_reported(problems(copy), f"{table}.csv, row {ROW}, column {columns[-1]}: {first[columns[-1]][:80]!r}", rule)


@pytest.mark.parametrize(
    "change, where, rule",
    [
        (lambda rows: [row.pop(4) for row in rows], "reports.csv, column munitions_high: ", "fields"),
        (lambda rows: [row.append("x") for row in rows], "reports.csv, column x: ", "fields"),
        (lambda rows: rows[0].__setitem__(0, "event"), "reports.csv, column event_id: ", "fields"),
        (lambda rows: rows[ROW - 1].append("one too many"), f"reports.csv, row {ROW}: ", "format"),
        (lambda rows: [row.append("") for row in rows[1:]], "reports.csv, row 2: ", "format"),
        (lambda rows: rows[ROW - 1].pop(), f"reports.csv, row {ROW}: ", "format"),
    ],
    ids=["missing column", "extra column", "renamed column", "row too long", "all rows too long", "row too short"],
)
def test_bad_shape(copy, change, where, rule):
    rewrite(copy / "reports.csv", change)
    assert_reported(problems(copy), where, rule)


@pytest.mark.parametrize(
    "path, content",
    [
        ("actors.csv", b""),
        ("actors.csv", b"\xff\xfe\x00"),
        ("actors.csv", "actor_id,name\nx,Z\u00fcrich\n".encode("latin-1")),
        ("actors.csv", b'actor_id,name\nx,"never closed\n'),
        ("geo/land.geojson", b""),
        ("geo/land.geojson", b'{"type": '),
    ],
    ids=["empty", "not text", "latin-1", "open quote", "empty outline", "outline cut short"],
)
def test_unreadable_file(copy, path, content):
    (copy / path).write_bytes(content)
    assert_reported(problems(copy), f"{path}: ", "format")


@pytest.mark.parametrize("path", ["reports.csv", "events.csv", "geo/land.geojson"])
def test_missing_file(copy, path):
    (copy / path).unlink()
    assert problems(copy) == [f"{path}: file is missing (rule: path)"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"], ids=["empty", "cut short", "a list", "no resources"])
def test_bad_descriptor(copy, content):
    (copy / "datapackage.json").write_text(content)
    [line] = problems(copy)
    assert_reported([line], "datapackage.json: ", "descriptor")


def test_missing_descriptor(copy):
    (copy / "datapackage.json").unlink()
    [line] = problems(copy)
    assert "datapackage.json: file is missing" in line


def test_edit_without_refresh(copy):
    put(copy / "places.csv", note="Edited.")
    [line] = problems(copy)
    assert_reported([line], "places.csv: ", "hash")


def test_row_lost_under_a_matching_hash(copy):
    before = json.loads((copy / "datapackage.json").read_text())
    rewrite(copy / "evidence.csv", lambda rows: rows.pop())
    refresh(copy)
    descriptor = json.loads((copy / "datapackage.json").read_text())
    rows = {r["name"]: r.get("rows") for r in before["resources"]}
    for resource in descriptor["resources"]:
        resource["rows"] = rows[resource["name"]]
    (copy / "datapackage.json").write_text(json.dumps(descriptor))
    [line] = problems(copy)
    assert_reported([line], f"evidence.csv: has {rows['evidence'] - 1} rows, ", "rows")


def test_all_damages_are_reported_at_once(copy):
    put(copy / "events.csv", date_end="2020-02-30", place_id="nowhere")
    put(copy / "events.csv", row=9, title="")
    put(copy / "series.csv", value="nan")
    rewrite(copy / "places.csv", lambda rows: [row.append("x") for row in rows])
    (copy / "counters.csv").unlink()
    (copy / "claims.csv").write_bytes(b"")
    found = problems(copy)
    for where, rule in [
        (f"events.csv, row {ROW}, column date_end: '2020-02-30'", "type"),
        ("events.csv, row 9, column title: ", "required"),
        (f"series.csv, row {ROW}, column value: 'nan'", "type"),
        ("places.csv, column x: ", "fields"),
        ("counters.csv: ", "path"),
        ("claims.csv: ", "format"),
        ("events.csv: ", "hash"),
    ]:
        assert_reported(found, where, rule)


def test_a_day_may_move_from_its_id_only_with_a_correction(copy, data):
    event = data.events.iloc[ROW - 2]
    put(copy / "events.csv", date_start="2018-05-01")
    refresh(copy)
    assert_reported(problems(copy), f"events.csv, row {ROW}, column event_id: {event['event_id']!r}", "starts")
    rewrite(copy / "corrections.csv", lambda rows: rows.append(["2026-11-22", "events", event["event_id"], "date_start", "", "2018-05-01", "A test."]))
    refresh(copy)
    assert load(copy).events["date_start"].min() == pd.Timestamp("2018-05-01")


def test_near_pairs_must_be_told_apart(copy, data):
    one, other, _ = data.distinct.iloc[0]
    rewrite(copy / "distinct.csv", lambda rows: rows.pop(1))
    refresh(copy)
    [line] = problems(copy)
    assert repr(one) in line and repr(other) in line and line.endswith("(rule: distinct)")


def near(*rows):
    """Return the number of near pairs among attacks given as place, first day, last day."""
    events = pd.DataFrame([dict(event_id=f"e{n}", domain="proxy_attack", place_id=p, date_start=pd.Timestamp(a), date_end=pd.Timestamp(b)) for n, (p, a, b) in enumerate(rows)])
    places = pd.DataFrame(
        [("town", "North", 33.0, 44.0, "town"), ("suburb", "North", 33.05, 44.0, "town"), ("far", "North", 33.5, 44.0, "town"), ("north", "North", 33.9, 44.9, "region"), ("nowhere", None, None, None, "none")],
        columns=["place_id", "admin1", "lat", "lon", "precision"],
    )
    return len(near_pairs(events, places))


@pytest.mark.parametrize(
    "one, other, pairs",
    [
        (("town", "2020-01-01", "2020-01-01"), ("town", "2020-01-01", "2020-01-01"), 1),
        (("town", "2020-01-01", "2020-01-01"), ("town", "2020-01-02", "2020-01-02"), 1),
        (("town", "2020-01-01", "2020-01-01"), ("town", "2020-01-03", "2020-01-03"), 0),
        (("town", "2020-01-01", "2020-01-05"), ("town", "2020-01-06", "2020-01-09"), 1),
        (("town", "2020-01-01", "2020-01-01"), ("suburb", "2020-01-01", "2020-01-01"), 1),
        (("town", "2020-01-01", "2020-01-01"), ("far", "2020-01-01", "2020-01-01"), 0),
        (("far", "2020-01-01", "2020-01-01"), ("north", "2020-01-01", "2020-01-01"), 1),
        (("nowhere", "2020-01-01", "2020-01-01"), ("nowhere", "2020-01-01", "2020-01-01"), 1),
        (("nowhere", "2020-01-01", "2020-01-01"), ("town", "2020-01-01", "2020-01-01"), 0),
    ],
)
def test_near_pairs(one, other, pairs):
    assert near(one, other) == near(other, one) == pairs


@pytest.mark.parametrize("south, width", [(33.0, 0.3), (-0.1, 0.3), (89.7, 360.0), (-90.0, 360.0)], ids=["Baghdad", "equator", "north pole", "south pole"])
def test_near_pairs_are_those_that_a_look_at_each_pair_finds(south, width):
    chance = np.random.default_rng(3)
    lat, lon = south + 0.3 * chance.random(40), (width * chance.random(40) - width / 2).round(4)
    places = pd.DataFrame({"place_id": [f"p{n}" for n in range(40)], "admin1": [*["here", "there", None, None] * 10], "lat": lat, "lon": lon, "precision": ["town", *["town", "region", "town"] * 13]})
    places.loc[places.index % 10 == 9, ["lat", "lon"]] = np.nan
    first = np.datetime64("2020-01-01", "s") + chance.integers(0, 60, 400).astype("timedelta64[D]")
    last = first + chance.integers(0, 3, 400).astype("timedelta64[D]")
    events = pd.DataFrame({"event_id": [f"e{n:03}" for n in chance.permutation(400)], "domain": chance.choice(["proxy_attack", "state_strike", "diplomacy"], 400), "place_id": chance.choice(places["place_id"], 400), "date_start": first, "date_end": last})
    rows = [*events.merge(places, on="place_id").itertuples(index=False)]

    def near(one, other):
        if one.domain != other.domain or one.domain == "diplomacy" or (one.date_start - other.date_end).days > 1 or (other.date_start - one.date_end).days > 1:
            return False
        km = 111.2 * math.hypot(one.lat - other.lat, (one.lon - other.lon) * math.cos(math.radians(one.lat)))
        return one.place_id == other.place_id or km < 10 or (isinstance(one.admin1, str) and one.admin1 == other.admin1 and "region" in (one.precision, other.precision))

    expected = {(one.event_id, other.event_id) for one, other in itertools.combinations(sorted(rows), 2) if near(one, other)}
    assert [*near_pairs(events, places).itertuples(index=False, name=None)] == sorted(expected)


def test_a_draw_does_not_hang_on_the_other_rows(data):
    drawn = draw(data, 20)
    assert list(drawn.columns) == ["event_id", "source_id"] and len(drawn) == 20
    fewer = SimpleNamespace(reports=data.reports.iloc[::-1].iloc[: len(data.reports) // 2], verification=data.verification)
    kept = drawn.merge(fewer.reports[["event_id", "source_id"]])
    assert draw(fewer, len(kept)).values.tolist() == kept.values.tolist()
    verified = set(data.verification[["event_id", "source_id"]].itertuples(index=False, name=None))
    assert not verified & set(drawn.itertuples(index=False, name=None))


# The command line


@pytest.fixture
def house(copy, tmp_path):
    """A copy of the package beside the copy of the data, since the commands work on the data beside the package."""
    shutil.copytree(Path(retribution.__file__).parent, tmp_path / "retribution", ignore=shutil.ignore_patterns("__pycache__", "book"))
    return tmp_path


def run(house, *arguments):
    environment = os.environ | {"PYTHONPATH": str(house)}
    return subprocess.run([sys.executable, "-m", "retribution", *arguments], cwd=house, env=environment, capture_output=True, text=True)


def test_check_passes(house):
    done = run(house, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "events" in done.stdout


def test_draw_prints_rows_to_verify(house):
    done = run(house, "draw", "3")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[0], len(lines)) == (0, "event_id,source_id", 4)


def test_check_fails_in_plain_words(house):
    put(house / "data" / "events.csv", date_start="2020-02-30")
    done = run(house, "check")
    assert done.returncode == 1
    assert f"events.csv, row {ROW}, column date_start: '2020-02-30' is not a date" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["mend"], ["check", "twice"], ["draw"], ["draw", "all"]])
def test_other_commands_are_explained(house, arguments):
    done = run(house, *arguments)
    assert done.returncode == 2
    assert "python -m retribution check | refresh | draw N" in done.stderr


def test_refresh_takes_up_an_added_row_and_touches_nothing_else(house):
    descriptor, actors = house / "data" / "datapackage.json", house / "data" / "actors.csv"
    before = descriptor.read_bytes().splitlines(keepends=True)
    with actors.open("a", encoding="utf-8") as file:
        file.write("new_party,New party,,party,Iraq,neutral,\n")
    assert run(house, "check").returncode == 1
    assert run(house, "refresh").returncode == 0
    assert run(house, "check").returncode == 0
    after = descriptor.read_bytes().splitlines(keepends=True)
    assert len(before) == len(after)
    changed = {new.split(b":")[0].strip() for old, new in zip(before, after) if old != new}
    assert changed == {b'"hash"', b'"bytes"', b'"rows"'}


def test_refresh_of_an_unreadable_file_fails_in_plain_words(house):
    (house / "data" / "actors.csv").write_bytes(b"")
    done = run(house, "refresh")
    assert done.returncode == 1
    assert "actors.csv: " in done.stderr
    assert "Traceback" not in done.stderr
