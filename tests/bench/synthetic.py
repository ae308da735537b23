"""A data package of the shape of the real one with ``factor`` times its events, places, reports and sources.

The first copy is the real package. Every further one has the same days and words, but names, addresses and texts of
its own, figures moved by chance, and all its places moved together to another part of the globe. The tables that do not
grow with the events (claims, evidence, series, parties, codings) stay as they are.
"""

import csv
import json
import random
import re
import shutil

import pandas as pd

from retribution.dataset import DATA, MEASURES, near_pairs, refresh
from retribution.shelves import MOST, order, shelf, shelves

GROWS = {"events", "distinct", "places", "reports", "sources"}


def grow(folder, factor, seed=20200103):
    """Write the package to the new ``folder``."""
    shutil.copytree(DATA, folder)
    read = {name: list(csv.DictReader((DATA / f"{name}.csv").open(encoding="utf-8", newline=""))) for name in GROWS}
    attacks = [row for row in read["events"] if row["domain"] in ("proxy_attack", "state_strike")]
    named = {row["event_id"]: row["date_start"] + row["event_id"][10:] for row in read["events"]}  # corrections.csv logs moved days of real events only
    names, places = [], []
    files = {name: (folder / f"{name}.csv").open("a", encoding="utf-8", newline="") for name in GROWS}
    writers = {name: csv.DictWriter(files[name], list(read[name][0]), lineterminator="\n") for name in GROWS}
    for copy in range(1, factor):
        chance = random.Random(f"{seed}|{copy}")
        north, east = chance.uniform(-15, 25), chance.uniform(-180, 180)
        event = {"": "", **{old: f"{new}-c{copy}" for old, new in named.items()}}
        for row in read["events"]:
            writers["events"].writerow(row | {"event_id": event[row["event_id"]], "title": f"{row['title'][:84]} {copy}", "summary": f"{row['summary']} {copy}", "place_id": f"{row['place_id']}-c{copy}", "responds_to": event[row["responds_to"]]})
        moved = []
        for row in read["places"]:
            there = {"lat": f"{float(row['lat']) + north:.4f}", "lon": f"{(float(row['lon']) + east + 180) % 360 - 180:.4f}"} if row["lat"] else {}
            moved.append(row | there | {"place_id": f"{row['place_id']}-c{copy}", "name": f"{row['name']} {copy}", "admin1": row["admin1"] and f"{row['admin1']} {copy}"})
        writers["places"].writerows(moved)
        for row in read["reports"]:
            figures = {}
            for measure in MEASURES:
                more = chance.randrange(3)
                figures |= {column: str(int(row[column]) + more) for column in (f"{measure}_low", f"{measure}_high") if row[column]}
            writers["reports"].writerow(row | figures | {"event_id": event[row["event_id"]], "source_id": f"{row['source_id']}{copy:03x}", "supports": f"{row['supports']} {copy}"})
        for row in read["sources"]:
            writers["sources"].writerow(row | {"source_id": f"{row['source_id']}{copy:03x}", "url": f"{row['url']}#c{copy}", "title": f"{row['title']} {copy}"})
        names += [(event[row["event_id"]], row["domain"], f"{row['place_id']}-c{copy}", row["date_start"], row["date_end"]) for row in attacks]
        places += [(row["place_id"], row["admin1"] or None, float(row["lat"] or "nan"), float(row["lon"] or "nan"), row["precision"]) for row in moved]
    if factor > 1:
        rows = pd.DataFrame(names, columns=["event_id", "domain", "place_id", "date_start", "date_end"]).astype({"date_start": "datetime64[s]", "date_end": "datetime64[s]"})
        pairs = near_pairs(rows, pd.DataFrame(places, columns=["place_id", "admin1", "lat", "lon", "precision"]))
        writers["distinct"].writerows(row | {"reason": "A copy of two that are."} for row in pairs.to_dict("records"))
    for file in files.values():
        file.close()
    whole = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    whole["title"] = f"Synthetic: {factor} times the events"
    (folder / "datapackage.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
    refresh(folder)


def shelve(project):
    """Give the copy of the project in the folder ``project`` as many pages of events, places and sources as its data need."""
    toc = (project / "_toc.yml").read_text(encoding="utf-8")
    for kind, most in MOST.items():
        on = {page.name: [] for page in shelves(kind)}
        with open(project / "data" / f"{kind}s.csv", encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                on[shelf(kind, row[f"{kind}_id"])].append(order(kind, row[f"{kind}_id"]))
        for page, names in on.items():
            new = [{"event": "", "place": "places-", "source": "sources-"}[kind] + name + "-" for name in sorted(names)[most - 1 : -1 : most]]  # what comes after it
            for name in new:
                (project / "register" / f"{name}.md").write_text(f"# {name}\n\n```{{register}} {name}\n```\n", encoding="utf-8")
            toc = re.sub(f"( *- file: register/){page}\n", lambda line: "".join(f"{line[1]}{name}\n" for name in [page, *new]), toc)
    (project / "_toc.yml").write_text(toc, encoding="utf-8")
