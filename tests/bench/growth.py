"""Measure how the book grows: ``python tests/bench/growth.py [load] [notebooks] [pages]``, all three without a word; writes ``chapters/growth.csv``.

Each measure is taken in a process of its own on a package of ``synthetic.grow``, the least of three times where that is
short. Seconds are the processor's, all processes together, since a clock also counts what else runs. Notebooks run one after the other, without
their assertions, which state facts of the real data. Three keep their stored outputs and count in no measure: two look
up single events in tables of their own, which made-up events are not in; reproduce tells of what is measured here.
"""

import contextlib
import csv
import gzip
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from synthetic import grow, shelve

from retribution.dataset import estimate, load

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "book"))
from small import copied  # noqa: E402

TABLE = ROOT / "chapters" / "growth.csv"
FACTORS = {"load": (1, 10, 100, 125, 1000), "notebooks": (1, 10, 100), "pages": (1, 10)}  # 125 times is a million rows
NOT_ON_OTHER_DATA = ("force-posture", "proxy-attacks", "reproduce")
LIMIT = 1800  # seconds for all notebooks, or for the pages


def used():
    """Return the seconds of the processor that this process and those it has waited for have used."""
    return sum(os.times()[:4])


class Said(io.StringIO):
    """What the build says, and when it began on the pages."""

    def write(self, text):
        if text.startswith("Building the pages"):
            self.begun = used()
        return super().write(text)


def measure_load(project):
    """Yield rows, size, seconds and memory of the package in ``project``."""
    folder = project / "data"
    start = used()
    data = load(folder)
    whole = used() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = used()
    estimate(data.reports, data.sources)
    derive = used() - start
    yield "rows", sum(r.get("rows", 0) for r in data.descriptor["resources"]), "rows"
    yield "size", round(sum(r["bytes"] for r in data.descriptor["resources"]) / 1e6, 2), "MB"
    yield "load", round(whole - derive, 2), "s"
    yield "derive", round(derive, 3), "s"
    yield "memory", round(peak * 1024 / 1e6), "MB"


def measure_notebooks(project):
    """Yield the seconds of the notebooks that run on any data, and the size of the largest as stored."""
    start, largest = used(), 0
    for path in sorted((project / "chapters").glob("*.ipynb")):
        if path.stem not in NOT_ON_OTHER_DATA:
            notebook = nbformat.read(path, 4)
            NotebookClient(notebook, timeout=300, record_timing=False, resources={"metadata": {"path": str(path.parent)}}).execute()
            nbformat.write(notebook, path)
            largest = max(largest, path.stat().st_size)
    yield "notebooks", round(used() - start, 1), "s"
    yield "largest notebook", round(largest / 1e6, 2), "MB"


def measure_pages(project):
    """Yield the seconds of the pages' build and the heaviest pages, compressed; the two notebooks keep their stored outputs."""
    from retribution.book import __main__ as book
    from retribution.book import notebooks

    execute, said = notebooks.execute, Said()
    notebooks.execute = lambda notebook, folder, path, *reads: None if Path(path).stem in NOT_ON_OTHER_DATA else execute(notebook, folder, path, *reads)
    with contextlib.redirect_stdout(said):
        if book.build():
            sys.exit(1)
    yield "pages", round(used() - said.begun, 1), "s"
    for folder, kind in (("chapters", "heaviest chapter"), ("register", "heaviest register page")):
        pages = [path for path in (book.HTML / folder).glob("*.html") if path.stem not in NOT_ON_OTHER_DATA]
        yield kind, round(max(len(gzip.compress(path.read_bytes(), mtime=0)) for path in pages) / 1e6, 3), "MB"


def child(step, project):
    """Return what ``step`` measures on ``project`` in a process of its own; nothing, with a word why, where it fails."""
    environment = os.environ | {"PYTHONPATH": f"{project}{os.pathsep}{Path(__file__).parent}", "TZ": "UTC"} | ({} if step == "load" else {"PYTHONOPTIMIZE": "1"})
    command = [sys.executable, __file__, "--child", step, str(project)]
    try:
        done = subprocess.run(command, env=environment, cwd=project, capture_output=True, text=True, timeout=LIMIT, check=True)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        print(f"  {step}: not done after {LIMIT} s", flush=True)
    except subprocess.CalledProcessError as error:
        print(f"  {step}: {error.stderr.strip()[-2000:] or error}", flush=True)
    return []


def project_with(factor, folder):
    """Return a copy of the project in ``folder`` whose data are ``factor`` times as many, and whose charts may have any number of rows."""
    project = copied(folder / str(factor), "data")
    grow(project / "data", factor)
    shelve(project)
    with (project / "retribution" / "charts.py").open("a", encoding="utf-8") as file:
        file.write("\nalt.data_transformers.disable_max_rows()  # Altair leaves out a chart of more than 5,000 rows\n")
    return project


def main(steps):
    """Measure ``steps``, writing the table after each factor, so that an end before the last loses nothing."""
    found = {}
    if TABLE.exists():
        with TABLE.open(encoding="utf-8", newline="") as file:
            found = {(row["factor"], row["measure"]): row for row in csv.DictReader(file)}

    def add(factor, measure, value, unit):
        found[str(factor), measure] = {"factor": factor, "measure": measure, "value": value, "unit": unit}
        print(f"  {measure} {value} {unit}", flush=True)
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            rows = csv.DictWriter(file, ["factor", "measure", "value", "unit"], lineterminator="\n")
            rows.writeheader()
            rows.writerows(sorted(found.values(), key=lambda row: (int(row["factor"] or 0), row["measure"])))

    add("", "processors", os.cpu_count(), "")
    add("", "memory of the machine", round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9), "GB")
    for factor in sorted({factor for step in steps for factor in FACTORS[step]}):
        with tempfile.TemporaryDirectory() as folder:
            print(f"{factor} times", flush=True)
            project = project_with(factor, Path(folder))
            for step in steps:
                if factor in FACTORS[step]:
                    runs = [child(step, project) for _ in range(3 if step == "load" and factor < 1000 else 1)]
                    for measured in zip(*runs):
                        add(factor, *min(measured, key=lambda row: row[1]))


STEPS = {"load": measure_load, "notebooks": measure_notebooks, "pages": measure_pages}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(list(STEPS[sys.argv[2]](Path(sys.argv[3])))))
    else:
        main(sys.argv[1:] or list(STEPS))
