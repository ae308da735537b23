"""A small but complete data package: rows of the real one, with all that they refer to."""

import csv
import json
import shutil

from retribution.dataset import DATA, refresh


def read(path):
    """Return the rows of a CSV file, lists of cells with the header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def write(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def cut(folder, told=False):
    """Write to the new ``folder`` a package in which every table has two rows or more and every column a value.

    Every event has a report, as the pages of the register need, where ``told`` is true.
    """
    shutil.copytree(DATA, folder)
    tables = {r["name"]: r for r in json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))["resources"] if r["format"] == "csv"}
    rows = {name: read(DATA / r["path"]) for name, r in tables.items()}
    heads = {name: table.pop(0) for name, table in rows.items()}
    kept = {name: {0, 1} for name in tables}
    for name, table in rows.items():
        for column in range(len(heads[name])):
            if not any(table[n][column] for n in kept[name]):
                kept[name].add(next(n for n, row in enumerate(table) if row[column]))
    before = None
    while before != (before := sum(map(len, kept.values()))):
        for name, resource in tables.items():
            for key in resource["schema"].get("foreignKeys", []):
                table = key["reference"]["resource"] or name
                at, to = heads[name].index(key["fields"][0]), heads[table].index(key["reference"]["fields"][0])
                line = {row[to]: n for n, row in enumerate(rows[table])}
                kept[table] |= {line[rows[name][n][at]] for n in kept[name] if rows[name][n][at]}
        events = {rows["events"][n][0] for n in kept["events"]}
        kept["reports"] |= set({row[0]: n for n, row in enumerate(rows["reports"]) if told and row[0] in events}.values())
        kept["distinct"] = {n for n, row in enumerate(rows["distinct"]) if {*row[:2]} <= events} | kept["distinct"]
        kept["corrections"] |= {n for n, row in enumerate(rows["corrections"]) if row[2] in events and row[3] == "date_start"}
    for name, resource in tables.items():
        write(folder / resource["path"], [heads[name], *(rows[name][n] for n in sorted(kept[name]))])
    for path in (folder / "geo").iterdir():
        outline = json.loads(path.read_text(encoding="utf-8"))
        outline["features"] = outline["features"][:1]
        path.write_text(json.dumps(outline))
    refresh(folder)
