"""A copy of the book that is small enough to be built many times: the same code, few rows of the data, three notebooks."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import nbformat

from retribution.book import ignored
from retribution.dataset import quarter

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "fuzz"))
from package import cut, read  # noqa: E402

TOC = """format: jb-book
root: index
parts:
  - caption: The argument
    chapters:
      - file: chapters/one
      - file: chapters/two
  - caption: The record
    chapters:
      - file: register/claims
      - file: register/events
        sections:
QUARTERS
      - file: register/places
      - file: register/sources-2018
      - file: register/figures
      - file: register/changes
  - caption: How it is made
    chapters:
      - file: chapters/cite
"""
INDEX = """---
file_format: mystnb
kernelspec:
  name: python3
---

# The book

```{code-cell} python
import retribution
from retribution import charts, tell
data = retribution.load()
tell(events=len(data.events))
```

{glue:text}`events` events. [One](chapters/one.ipynb), {claim}`C01`, {numref}`fig-one`.

```{code-cell} python
import altair as alt
charts.figure(alt.Chart(data.claims).mark_bar().encode(x="claim_id:N", y="paragraph:Q"), "verdicts", "Claims", "Each by its paragraph.", "Two bars.", "The article.")
```
"""
CITE = """# Cite

This is {identifier}`source`, {identifier}`data`, {identifier}`archive`.

```{cite} chapters
```
"""
CELL = """import altair as alt
import retribution
from retribution import charts, tell
data = retribution.load()
print((retribution.DATA.parent / "pyproject.toml").stat().st_size)
tell(reports_NAME=len(data.reports))
charts.figure(alt.Chart(data.events[["event_id", "date_start"]]).mark_point().encode(x="date_start:T", y="event_id:N"), "NAME", "Events of NAME", "Each on its day.", "A point for each event.", "The register.")"""


def copied(folder, *without, **options):
    """Return a copy of the sources, as a clone would have them, in ``folder``; ``without`` names what else is left out, ``options`` are ``shutil.copytree``'s."""
    return shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*ignored(ROOT), *without), **options)


def small(folder):
    """Return a small copy of the book in ``folder``, which is not built."""
    copied(folder)
    for name in ("data", "tests"):
        shutil.rmtree(folder / name)
    cut(folder / "data", told=True)
    quarters = sorted({quarter(event_id) for event_id, *_ in read(folder / "data" / "events.csv")[1:]})
    toc = TOC.replace("QUARTERS", "\n".join(f"          - file: register/{name}" for name in quarters))
    (folder / "_toc.yml").write_text(toc)
    for path in [*(folder / "chapters").iterdir(), *(folder / "register").iterdir()]:
        if f"{path.parent.name}/{path.stem}\n" not in toc:
            path.unlink()
    (folder / "index.md").write_text(INDEX)
    (folder / "chapters" / "cite.md").write_text(CITE)
    (folder / "chapters" / "timings.csv").write_text("notebook,seconds\none,1\n")
    (folder / "register" / "anchors.csv").write_text("address,since,moved\nregister/old.html,0.1.0,register/events.html\n")
    for path in (folder / "register" / "events.md", folder / "register" / "claims.md"):
        path.write_text(re.sub(r"^- .*\n", "", path.read_text(), flags=re.M))
    for name in ("one", "two"):
        write(folder, name)
    return folder


def write(folder, name, code="", figure=None, limit=300):
    """Write the notebook ``name`` with ``code`` in a cell of its own, each cell limited to so many seconds."""
    cells = [nbformat.v4.new_markdown_cell(f"# {name}\n\nIt rests on {{glue:text}}`reports_{name}` reports."), nbformat.v4.new_code_cell(CELL.replace("NAME", name).replace(f'"{name}", "Events', f'"{figure or name}", "Events')), nbformat.v4.new_code_cell(code)]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"execution": {"timeout": limit}, "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}), folder / "chapters" / f"{name}.ipynb")


def surroundings(folder, **environment):
    return os.environ | {"PYTHONPATH": str(folder)} | environment


def start_build(folder, *before, **environment):
    return subprocess.Popen([*before, sys.executable, "-m", "retribution.book"], cwd=folder, env=surroundings(folder, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)


def tree(folder):
    """Return the hash of every file of the book built in ``folder`` by its path."""
    return _hashes(folder / "_build" / "html", ())


def sources(folder):
    """Return the hash of every file in ``folder`` that no build may touch, by its path."""
    return _hashes(folder, ("_build", "__pycache__"))


def _hashes(folder, without):
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not set(path.relative_to(folder).parts) & set(without))
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}


def differences(one, other):
    """Return the paths whose hashes differ, or that only one has."""
    return sorted(path for path in one | other if one.get(path) != other.get(path))


def built(folder, status=0, **environment):
    """Build the book in ``folder``; return what it said, in which there is never a traceback of the build's own."""
    build = start_build(folder, **environment)
    said, _ = build.communicate(timeout=900)
    assert build.returncode == status, said
    return said


def kill(folder, after, **environment):
    """Kill a build ``after`` so many seconds, with all that it has not moved to groups of their own; return what it had said."""
    build = start_build(folder, **environment)
    try:
        build.wait(after)
    except subprocess.TimeoutExpired:
        os.killpg(build.pid, signal.SIGKILL)
    return build.communicate()[0]


def alive(folder, seconds=10):
    """Return the processes of builds in ``folder`` that are still alive after some seconds, where the system has ``/proc``."""
    end = time.monotonic() + seconds
    while (found := list(_running(folder))) and time.monotonic() < end:
        time.sleep(0.2)
    return found


def _running(folder):
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"PYTHONPATH={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                yield f"{process.name}: {(process / 'cmdline').read_text()}"
