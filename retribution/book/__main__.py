"""Build the book, run its notebooks and store their outputs, or list its addresses: ``python -m retribution.book [execute | anchors]``."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from .. import DATA, DataError
from ..dataset import quarter
from . import formats, register
from .versions import ANCHORS, list_anchors

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "_build"
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))


def build():
    """Check the data, run what changed, build the pages; return the exit status."""
    start = time.perf_counter()
    try:
        data = register.data()
    except DataError as error:
        print(error, f"The book was not built: data/ breaks its descriptor in {len(error.problems)} place(s).", sep="\n", file=sys.stderr)
        return 1
    if missing := _missing_pages(data):
        print(*missing, "The book was not built: the register lacks a page.", sep="\n", file=sys.stderr)
        return 1
    _drop_stale_cache()
    print("Running the notebooks that changed", flush=True)
    if failed := _run_into_cache():
        print(*failed, "The book was not built: a notebook failed.", sep="\n", file=sys.stderr)
        return 1
    ran = time.perf_counter()
    _pack()
    print("Building the pages", flush=True)
    shutil.rmtree(BUILD / "html", ignore_errors=True)
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT, "-W", "-n", "--keep-going", "-q"]
    log = subprocess.run(command, env=os.environ | {"TZ": "UTC"}, capture_output=True, text=True)
    if log.returncode:
        (BUILD / "build.log").write_text(log.stdout + log.stderr, encoding="utf-8")
        lines = [line for line in (log.stdout + log.stderr).splitlines() if re.search(r"WARNING|ERROR|\w+Error\b", line)]
        print(*lines, f"The book was not built. Everything it said: {BUILD / 'build.log'}", sep="\n", file=sys.stderr)
        return 1
    _copy_downloads()
    end = time.perf_counter()
    print(f"Built in {end - start:.1f} s (notebooks {ran - start:.1f}, pages {end - ran:.1f}). Open {BUILD / 'html' / 'index.html'}")
    return 0


def _missing_pages(data):
    """Return what to do for each quarter that has events and no page in the register."""
    listed = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return [
        f"register/{q}.md: there are events of this quarter; copy a page beside it, put {q} in it, and list register/{q} in _toc.yml"
        for q in sorted(set(data.events["event_id"].map(quarter)))
        if not (ROOT / "register" / f"{q}.md").exists() or f"register/{q}\n" not in listed
    ]


def _drop_stale_cache():
    """Forget stored executions when anything that notebooks read has changed, read pages when anything that they show has, other than the page itself."""
    run = [*DATA.rglob("*"), *(ROOT / "retribution").rglob("*.py"), ROOT / "requirements.txt", ROOT / "chapters" / "timings.csv", ROOT / "tests" / "audit" / "results.csv"]
    shown = [ROOT / "CHANGELOG.md", ROOT / "CITATION.cff", ROOT / "register" / "anchors.csv", ROOT / "retribution" / "book" / "plain.csl"]
    known = (BUILD / "inputs").read_text().split() if (BUILD / "inputs").exists() else []
    key, keys = hashlib.sha256(), []
    for stale, parts in {".jupyter_cache": run, ".doctrees": shown}.items():
        key.update(b"".join(path.name.encode() + path.read_bytes() for path in sorted(parts) if path.is_file()))
        keys.append(key.hexdigest())
        if known[: len(keys)] != keys:
            shutil.rmtree(BUILD / stale, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    (BUILD / "inputs").write_text("\n".join(keys))


def _run_into_cache():
    """Run the notebooks whose code is not cached yet, side by side, each in an empty folder; return a line for each that failed."""
    cache = get_cache(BUILD / ".jupyter_cache")
    for record in cache.list_project_records():
        cache.remove_nb_from_project(record.pk)
    for path in [*NOTEBOOKS, ROOT / "index.md"]:
        reader = "nbformat" if path.suffix == ".ipynb" else "myst_nb_md"
        cache.add_nb_to_project(str(path), read_data={"name": reader, "type": "plugin"})
    result = load_executor("temp-parallel", cache).run_and_cache(timeout=300)
    records = {record.uri: record.traceback for record in cache.list_project_records()}
    return [f"{uri}:\n{records[uri] or 'could not be run'}" for uri in [*result.excepted, *result.errored]]


def _pack():
    """Write the folder of the data and its archive, whose bytes depend on its files alone; pages name its hash."""
    shutil.rmtree(BUILD / "data", ignore_errors=True)
    formats.write(BUILD / "data")
    with zipfile.ZipFile(BUILD / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in (BUILD / "data").rglob("*") if path.is_file()):
            name = path.relative_to(BUILD).as_posix()
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _copy_downloads():
    """Publish notebooks and data at addresses that do not change."""
    html = BUILD / "html"
    (html / "notebooks").mkdir()
    for path in NOTEBOOKS:
        shutil.copy(path, html / "notebooks")
    shutil.copytree(BUILD / "data", html / "data")
    shutil.copy(BUILD / "data.zip", html)


def list_addresses():
    """Add the built book's new addresses to the list of those that it keeps for good; return the exit status."""
    print(f"{list_anchors(BUILD / 'html')} addresses are new in {ANCHORS}")
    return 0


def execute():
    """Run every notebook from the top and store its outputs, without times or versions; return the exit status."""
    def run(path):
        start = time.perf_counter()
        notebook = nbformat.read(path, 4)
        try:
            NotebookClient(notebook, timeout=300, record_timing=False, resources={"metadata": {"path": str(path.parent)}}).execute()
        except CellExecutionError as error:
            raise SystemExit(f"{path}: {error.ename}: {error.evalue}\n{error.traceback}\nIts stored outputs were left as they were.") from None
        notebook.metadata = {key: notebook.metadata[key] for key in ("description", "versions") if key in notebook.metadata} | {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
        seconds = time.perf_counter() - start
        nbformat.write(notebook, path)
        print(f"{path.stem}: {seconds:.1f} s", flush=True)
        return path.stem, seconds

    last = [p for p in NOTEBOOKS if p.stem == "reproduce"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        times = list(pool.map(run, [p for p in NOTEBOOKS if p not in last]))
    rows = "".join(f"{name},{seconds:.1f}\n" for name, seconds in times)
    (ROOT / "chapters" / "timings.csv").write_text("notebook,seconds\n" + rows, encoding="utf-8")
    for path in last:
        run(path)
    return 0


sys.exit({"execute": execute, "anchors": list_addresses}.get("".join(sys.argv[1:]), build)())
