"""Build the book, run its notebooks and store their outputs, or list its addresses: ``python -m retribution.book [execute | anchors]``.

What is built goes to ``_build``, or to the folder that the environment names as BUILD. There ``state.json`` says what
it was made from; what does not match it, after a kill or a full disk, is made anew.
"""

import contextlib
import errno
import fcntl
import fnmatch
import gc
import hashlib
import io
import json
import os
import re
import shutil
import signal
import sys
import time
import zipfile
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from pathlib import Path

from .. import DATA, DataError, load
from ..dataset import quarter
from ..shelves import MOST, order, shelf
from . import ignored, put

ROOT = Path(__file__).parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "_build")).absolute()
HTML = BUILD / "html"
STATE = BUILD / "state.json"
PAGES = ["html", ".doctrees", "data", "data.zip"]
REFUSED = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO]
NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
# What notebooks read besides themselves and the dataset.
READ = ["retribution/*.py", "pyproject.toml", "requirements.txt", "chapters/*.csv", "tests/*/results.csv", "tests/book/test_reader.py", "register/[0-9]*.md"]
# What a part of the dataset is made from besides its own table.
DERIVED = {"events": ["reports", "sources"], "reports": ["sources", "outlets", "actors"], "geo": ["geo-land", "geo-iraq-governorates"]}
# A change in these, unlike in anything else, leaves the other pages as they are; a page names them all by their hash.
PROSE = ["index.md", "chapters/*.ipynb", "chapters/*.md", "register/*.md"]
UNREAD = ["*.md", ".*", "Makefile", "LICENSE", "environment.yml", "pyproject.toml", "tests/*"]

UNUSED = ["sphinx.builders.linkcheck", "sphinx.builders.epub3"]  # Sphinx imports them for each book; a twentieth of a short build


def build():
    """Build the book, one build of this folder at a time; return the exit status."""
    _stop_at_once()
    gc.disable()  # to look for what can be thrown away takes a fifth of a short build; half a gigabyte is kept
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"Another build in {BUILD} is running; waiting until it ends", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            return _build()
        except OSError as error:
            _, name, why = error.args[0][0] if isinstance(error, shutil.Error) else (None, error.filename or BUILD, error.strerror)
            return _stopped(f"{name}: {why}", "the machine refused a file. Free some room or mend the permissions, then build again; sources and data are as they were")
        except BrokenExecutor:
            return _stopped("Something else ended a process of the build, as happens where memory is short", "it lost a part of itself. Build again")


def _stop_at_once():
    """End the build as soon as it is asked to: an exit would wait for the notebooks; what it has started ends with it."""
    builder = os.getpid()

    def stop(number, frame):
        if os.getpid() == builder:
            os.write(2, b"Stopped. The next build makes what this one has not finished; sources and data are as they were\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _stopped(*lines):
    *problems, why = lines
    print(*problems, f"The book was not built: {why}.", sep="\n", file=sys.stderr)
    return 1


def _build():
    start = time.perf_counter()
    state, sources = _state(), _hashes()
    last = state.pop("pages", {})
    kept = last and last["files"] == _files(*PAGES)
    if kept and last["sources"] == sources:
        print(f"Nothing has changed since the book was built. Open {HTML / 'index.html'}")
        return 0
    changed = {path for path in sources | last.get("sources", {}) if sources.get(path) != last.get("sources", {}).get(path)}
    whole = not kept or any(_any(path, [*READ, "CHANGELOG.md"]) or not _any(path, UNREAD) for path in changed if not _any(path, PROSE))
    key = hashlib.sha256(json.dumps({path: digest for path, digest in sources.items() if _any(path, READ)}).encode()).hexdigest()
    from . import forked  # here and below: imports take longer than it takes to see that nothing has changed

    ran = state.pop("notebooks", {"reads": {}})
    if (ran.get("key"), ran.get("files")) != (key, _files(".jupyter_cache")):
        shutil.rmtree(BUILD / ".jupyter_cache", ignore_errors=True)
        ran["reads"] = {}
    if not ran["reads"] or any(path.startswith("data/") for path in changed):
        forked.warm()
    drawn = state.pop("pictures", {}) == _files("pictures")
    if not drawn:
        shutil.rmtree(BUILD / "pictures", ignore_errors=True)
    _save(state)
    if whole:
        try:
            data = load()
        except DataError as error:
            return _stopped(error, f"data/ breaks its descriptor in {len(error.problems)} place(s)")
        if amiss := _amiss(data):
            return _stopped(*amiss, "the register lacks a page")
    parts = _parts(sources)
    paths = [*_longest_first(), ROOT / "index.md"]
    stale = {path for path in paths if (read := ran["reads"].get(path.name)) is None or read != {part: parts[part] for part in read}}
    due = [path for path in paths if path in stale or not (kept and drawn) or path.relative_to(ROOT).as_posix() in changed]
    drawer = forked.drawer()
    from . import notebooks, pictures

    print("Running the notebooks that changed", flush=True)
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(notebooks.run_into, BUILD, due, stale, drawer)
        from jupyter_book.sphinx import build_sphinx  # takes a second or two, while kernels work
        from sphinx import application

        application.builtin_extensions = [name for name in application.builtin_extensions if name not in UNUSED]

        if whole:
            shutil.rmtree(HTML, ignore_errors=True)
            shutil.rmtree(BUILD / ".doctrees", ignore_errors=True)
            _pack()
        failed, reads = running.result()
    reads = ran["reads"] | {path.name: {part: parts[part] for part in read} for path, read in reads.items()}

    def made():
        return {"notebooks": {"key": key, "files": _files(".jupyter_cache"), "reads": reads}}

    _save(made())
    if failed:
        drawer.shutdown(cancel_futures=True)
        return _stopped(*failed, "a notebook failed")
    executed = time.perf_counter()
    print("Building the pages", flush=True)
    said = io.StringIO()
    config = {"external_toc_path": str(ROOT / "_toc.yml"), "latex_individualpages": False, "nb_execution_cache_path": str(BUILD / ".jupyter_cache"), "book_changed": None if whole else sorted(str(Path(path).with_suffix("")) for path in changed if _any(path, PROSE))}
    os.environ["TZ"] = "UTC"
    gc.freeze()  # an extension looks through all that is not: what was imported and read is none of what it looks for
    with contextlib.redirect_stderr(said):
        result = build_sphinx(ROOT, HTML, noconfig=True, path_config=ROOT / "_config.yml", confoverrides=config, warningiserror=True, keep_going=True, quiet=True, jobs=os.cpu_count() + 1)
    for picture in pictures.drawing:
        if isinstance(error := picture.exception(), (OSError, BrokenExecutor)):  # what else went wrong the page has said
            raise error
    drawer.shutdown()
    if isinstance(result, OSError):
        raise result
    if isinstance(result, EOFError):  # one of its processes is gone
        raise BrokenExecutor
    said = said.getvalue()
    if isinstance(result, Exception) and (refused := re.search(r"\[Errno (\d+)\]|disk is full", said)) and (number := int(refused[1] or errno.ENOSPC)) in REFUSED:
        raise OSError(number, os.strerror(number))
    if result:
        _save(made() | {"pictures": _files("pictures")})  # anew: to read from the cache writes to it
        (BUILD / "build.log").write_text(said, encoding="utf-8")
        lines = said.splitlines()
        return _stopped(*([line for line in lines if re.search(r"WARNING|ERROR|\w+Error\b", line)] or lines), f"see above; everything it said is in {BUILD / 'build.log'}")
    _copy_downloads()
    _save(made() | {"pictures": _files("pictures"), "pages": {"sources": sources, "files": _files(*PAGES)}})
    end = time.perf_counter()
    print(f"Built in {end - start:.1f} s (notebooks {executed - start:.1f}, pages {end - executed:.1f}). Open {HTML / 'index.html'}")
    return 0


def _state():
    """Return what the last build has saved, or nothing where that has been damaged since."""
    try:
        digest, text = STATE.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError):
        return {}
    return json.loads(text) if digest == hashlib.sha256(text.encode()).hexdigest() else {}


def _save(state):
    text = json.dumps(state)
    put(STATE, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")


def _hashes():
    """Return the hash of every file of the sources, by its path: all but what ``.gitignore`` names."""
    found, without = {}, ignored(ROOT)
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if not _any(name, without) and Path(folder, name) != BUILD]
        for name in files:
            if not _any(name, without):
                path = Path(folder, name)
                found[path.relative_to(ROOT).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return dict(sorted(found.items()))


def _parts(sources):
    """Return a hash of each part of the dataset: of its files and of what the descriptor says of them."""
    resources = json.loads((DATA / "datapackage.json").read_text(encoding="utf-8"))["resources"]
    known = {resource["name"]: json.dumps([resource.get("schema"), sources[f"data/{resource['path']}"]]) for resource in resources}
    known |= {part: sources["data/datapackage.json"] for part in ("descriptor", "fingerprint")}
    return {part: hashlib.sha256("".join(known.get(name, "") for name in [part, *DERIVED.get(part, [])]).encode()).hexdigest() for part in [*known, "geo"]}


def _any(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _files(*folders):
    """Return the hash of every file that was built into these folders, by its path."""
    paths = [path for folder in folders for path in [BUILD / folder, *(BUILD / folder).rglob("*")] if path.is_file()]
    return {path.relative_to(BUILD).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def _longest_first():
    """Return the notebooks, those first that took longest when they were last stored."""
    took = dict(line.split(",") for line in (ROOT / "chapters" / "timings.csv").read_text(encoding="utf-8").splitlines()[1:])
    return sorted(NOTEBOOKS, key=lambda path: -float(took.get(path.stem, 0)))


def _amiss(data):
    """Return what to do for each quarter that has events and no page in the register, and for each page that holds too much."""
    listed = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    lacking = [
        f"register/{q}.md: there are events of this quarter; copy a page beside it, put {q} in it, and list register/{q} in _toc.yml"
        for q in sorted(set(data.events["event_id"].map(quarter)))
        if not (ROOT / "register" / f"{q}.md").exists() or f"register/{q}\n" not in listed
    ]
    pages = {}
    for kind in MOST:
        for name in getattr(data, f"{kind}s")[f"{kind}_id"]:
            pages.setdefault((kind, shelf(kind, name)), []).append(order(kind, name))
    full = [
        f"register/{page}.md: {len(names)} {kind}s are on it, the most is {MOST[kind]}; give a part of them a page, named by where it begins, such as {sorted(names)[len(names) // 2][:10]}; list it in _toc.yml after this one; then run: make anchors"
        for (kind, page), names in pages.items()
        if len(names) > MOST[kind]
    ]
    return lacking + full


def _pack():
    """Write the folder of the data and its archive, whose bytes depend on its files alone; pages name its hash."""
    from . import formats

    shutil.rmtree(BUILD / "data", ignore_errors=True)
    formats.write(BUILD / "data")
    with zipfile.ZipFile(BUILD / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in (BUILD / "data").rglob("*") if path.is_file()):
            name = path.relative_to(BUILD).as_posix()
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), path.read_bytes(), zipfile.ZIP_DEFLATED)


def _copy_downloads():
    """Publish notebooks and data at addresses that do not change."""
    (HTML / "notebooks").mkdir(exist_ok=True)
    for path in NOTEBOOKS:
        shutil.copyfile(path, HTML / "notebooks" / path.name)
    if not (HTML / "data").exists():
        shutil.copytree(BUILD / "data", HTML / "data")
        shutil.copy(BUILD / "data.zip", HTML)


def list_addresses():
    """Add the built book's new addresses to the list of those that it keeps for good; return the exit status."""
    from .versions import ANCHORS, list_anchors

    print(f"{list_anchors(HTML)} addresses are new in {ANCHORS}")
    return 0


def execute():
    """Run every notebook from the top and store its outputs, without times or versions; return the exit status."""
    import nbformat

    from . import notebooks

    def run(path):
        start = time.perf_counter()
        notebook = nbformat.read(path, 4)
        if failed := notebooks.execute(notebook, path.parent, path):
            raise SystemExit(f"{failed}\nIts stored outputs were left as they were.")
        notebook.metadata = {key: notebook.metadata[key] for key in ("description", "execution", "versions") if key in notebook.metadata} | {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
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


if __name__ == "__main__":
    status = {"execute": execute, "anchors": list_addresses}.get("".join(sys.argv[1:]), build)()
    if status:
        sys.exit(status)
    sys.stdout.flush()
    os._exit(0)  # else Python takes a second to take apart what it has made
