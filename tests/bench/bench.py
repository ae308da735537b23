"""Time the build against its limit and its peers: ``python tests/bench/bench.py [rounds]``.

The limit is the notebooks alone, run by nbclient, as many at once as there are cores. The peers build the same sources:
stock Jupyter Book 1 with Altair's own renderer, and ``nbconvert --execute --to html``; neither knows the register, the
figures' files, the citations. In each round every one of them runs once, so that a slow minute of the machine hits
all; of the rounds the median counts, and ratios are of one round. Writes results.csv; needs an idle machine.
"""

import csv
import gzip
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "book"))
from small import copied  # noqa: E402

BENCH = ROOT / "_build" / "bench"
PEERS = BENCH / "peers" / "bin"
RESULTS = Path(__file__).with_name("results.csv")
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
CHAPTERS = ["the-article", "diplomacy", "iraqi-politics", "proxy-attacks", "force-posture", "verdict"]
RENDERER = "import altair, retribution.charts\naltair.renderers.enable('html'{})\n"  # as a reader of Altair's manual has it
CONFIG = "title: The same notebooks\nonly_build_toc_files: true\nexecute:\n  execute_notebooks: cache\n  timeout: 300\n"


def prepared():
    """Put the peers into an environment of their own, and what they build beside it."""
    if not (PEERS / "jupyter-book").exists():
        subprocess.run([sys.executable, "-m", "venv", PEERS.parent], check=True)
        subprocess.run([PEERS / "pip", "install", "-q", "--disable-pip-version-check", "-r", ROOT / "requirements.txt"], check=True)
        subprocess.run([PEERS / "pip", "install", "-q", "--disable-pip-version-check", "nbconvert==7.17.2"], check=True)


def fresh(name):
    """Return a copy of the sources in a folder of this name, in the place of an earlier one."""
    shutil.rmtree(BENCH / name, ignore_errors=True)
    return copied(BENCH / name)


def for_a_peer(name, inline=""):
    """Return a copy of the sources for a peer, and the environment it runs in."""
    folder = fresh(name)
    startup = folder / ".ipython" / "profile_default" / "startup" / "renderer.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(RENDERER.format(inline), encoding="utf-8")
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    return folder, os.environ | {"IPYTHONDIR": str(folder / ".ipython"), "PYTHONPATH": str(folder)}


def seconds(command, **options):
    """Return how long a command takes; ends with what it said where it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{command}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - start


def limit():
    """Run the notebooks alone; return the seconds."""
    def run(path):
        NotebookClient(nbformat.read(path, 4), timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()

    start = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, NOTEBOOKS))
    return time.perf_counter() - start


def with_a_sentence(folder):
    """Change one sentence of a chapter."""
    path = folder / "chapters" / "verdict.ipynb"
    notebook = nbformat.read(path, 4)
    cell = next(cell for cell in notebook.cells if cell.cell_type == "markdown")
    cell.source += "\n\nOne sentence more."
    nbformat.write(notebook, path)


def with_an_event(folder):
    """Add one event, told by a document that is there."""
    env = os.environ | {"PYTHONPATH": str(folder)}
    data = folder / "data"
    alike = plain(data)
    for table, changes in {"events": {"event_id": "2024-11-11-bench", "date_start": "2024-11-11", "date_end": "2024-11-11", "domain": "diplomacy", "kind": "statement"}, "reports": {"event_id": "2024-11-11-bench"}}.items():
        with open(data / f"{table}.csv", encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        like = next(row for row in rows if row[header.index("event_id")] in alike)
        rows.append([changes.get(column, cell) for column, cell in zip(header, like)])
        with open(data / f"{table}.csv", "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    subprocess.run([sys.executable, "-m", "retribution", "refresh"], cwd=folder, env=env, check=True, capture_output=True)


def plain(data):
    """Return the events that are a statement and answer nothing."""
    with open(data / "events.csv", encoding="utf-8", newline="") as file:
        return {row["event_id"] for row in csv.DictReader(file) if row["domain"] == "diplomacy" and row["kind"] == "statement" and not row["responds_to"]}


def ran(folder):
    """Return when each notebook's run was kept, by its place in the cache."""
    return {path.parent.name: path.stat().st_mtime_ns for path in (folder / "_build" / ".jupyter_cache" / "executed").glob("*/base.ipynb")}


def weight(page):
    """Return what a reader loads of a page before any click, in bytes as gzip sends it: it and what it names in its own folder."""
    text = page.read_text(encoding="utf-8")
    files = {page} | {(page.parent / name).resolve() for name in re.findall(r'<(?:script|link|img)\b[^>]*?(?:src|href)="([^":?#]+\.(?:js|css|svg|png|woff2))', text)}
    return sum(len(gzip.compress(path.read_bytes(), 6)) for path in files if path.exists())


def main(rounds):
    """Measure, print and keep."""
    prepared()
    book = [sys.executable, "-m", "retribution.book"]
    took = {}

    def note(name, value):
        took.setdefault(name, []).append(value)
        print(f"{name}: {value:.1f} s", flush=True)

    for _ in range(rounds):
        ours = fresh("ours")
        env = os.environ | {"PYTHONPATH": str(ours)}
        stock, stock_env = for_a_peer("stock")
        convert, convert_env = for_a_peer("nbconvert")
        jupyter_book = [PEERS / "jupyter-book", "build", stock, "-q"]
        nbconvert = [PEERS / "jupyter-nbconvert", "--execute", "--to", "html", "--output-dir", convert / "html", *(convert / "chapters" / path.name for path in NOTEBOOKS)]
        note("the notebooks alone, by nbclient", limit())
        note("this book, cold", seconds(book, cwd=ours, env=env))
        note("Jupyter Book 1, cold", seconds(jupyter_book, env=stock_env))
        note("nbconvert --execute", seconds(nbconvert, env=convert_env))
        note("this book, nothing changed", seconds(book, cwd=ours, env=env))
        note("Jupyter Book 1, nothing changed", seconds(jupyter_book, env=stock_env))
        with_a_sentence(ours)
        with_a_sentence(stock)
        note("this book, one sentence changed", seconds(book, cwd=ours, env=env))
        note("Jupyter Book 1, one sentence changed", seconds(jupyter_book, env=stock_env))
        with_an_event(ours)
        before = ran(ours)
        note("this book, one event added", seconds(book, cwd=ours, env=env))
        again = sum(when != before[name] for name, when in ran(ours).items())
        new = fresh("new")
        env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "BUILD", "VENV", "MAKEFLAGS", "MAKELEVEL")} | {"UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
        note("this book, from nothing to first page", seconds(["make", "book"], cwd=new, env=env))
        new = fresh("new")
        pip = [".venv/bin/pip", "install", "-q", "--disable-pip-version-check"]
        plain_pip = [[sys.executable, "-m", "venv", ".venv"], [*pip, "-r", "requirements.txt"], [*pip, "--no-deps", "--no-build-isolation", "-e", "."]]
        note("plain pip, from nothing to an environment", sum(seconds(command, cwd=new, env=env) for command in plain_pip))
    offline, offline_env = for_a_peer("stock", ", template='inline'")
    seconds([PEERS / "jupyter-book", "build", offline, "-q"], env=offline_env)
    seconds([*nbconvert[:-len(NOTEBOOKS)], *(offline / "chapters" / path.name for path in NOTEBOOKS)], env=offline_env)
    heavy = {
        "this book": ours / "_build" / "html" / "chapters",
        "Jupyter Book 1, charts inline": offline / "_build" / "html" / "chapters",
        "nbconvert, charts inline": convert / "html",
    }
    base = took["the notebooks alone, by nbclient"]
    rows = [{"measure": name, "value": f"{statistics.median(values):.1f}", "unit": "s", "ratio": f"{statistics.median(v / b for v, b in zip(values, base)):.2f}"} for name, values in took.items()]
    rows += [{"measure": f"heaviest chapter, {name}", "value": f"{max(weight(folder / f'{chapter}.html') for chapter in CHAPTERS) / 1000:.0f}", "unit": "kB", "ratio": ""} for name, folder in heavy.items()]
    counts = {"notebooks run again for one event": again, "notebooks": len(before), "cores": os.cpu_count()}
    rows += [{"measure": name, "value": value, "unit": "", "ratio": ""} for name, value in counts.items()]
    with open(RESULTS, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["measure", "value", "unit", "ratio"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['measure']}: {row['value']} {row['unit']}" + (f", {row['ratio']} of the limit" if row["ratio"] else ""))


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 3)
