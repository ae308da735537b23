"""Builds that are killed, crowded, starved, handed damaged caches or bad notebooks: the next is right, or what is said tells what to do."""

import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from retribution.dataset import refresh

import kill
from small import alive, built, differences, small, sources, start_build, surroundings, tree, write

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A small copy of the book, built; the hashes of what was built are in ``book.tree``."""
    folder = type("Book", (type(tmp_path_factory.getbasetemp()),), {})(small(tmp_path_factory.mktemp("small") / "book"))
    built(folder)
    folder.tree, folder.sources = tree(folder), sources(folder)
    return folder


@pytest.fixture(autouse=True)
def untouched(book):
    yield
    assert differences(sources(book), book.sources) == []
    assert alive(book) == []


def same(book):
    """Return what a build of ``book`` says, which gives what it gave before anything was done to it."""
    said = built(book)
    assert differences(tree(book), book.tree) == []
    return said


def test_after_a_kill_the_next_build_is_right():
    assert kill.run(times=4, seed=4) == 0


def test_of_two_builds_one_waits(book):
    shutil.rmtree(book / "_build" / "html", ignore_errors=True)
    two = [start_build(book), start_build(book)]
    said = sorted(build.communicate(timeout=900)[0] for build in two)
    assert [build.returncode for build in two] == [0, 0], said
    assert re.fullmatch(r"Another build in \S+ is running; waiting until it ends\nNothing has changed since the book was built.*\n", said[0])
    assert "Built in" in said[1] and "waiting" not in said[1]
    assert differences(tree(book), book.tree) == []


def test_a_build_that_is_stopped_by_hand_says_so_and_leaves_nothing_running(book):
    shutil.rmtree(book / "_build", ignore_errors=True)
    build = start_build(book)
    assert build.stdout.readline() == "Running the notebooks that changed\n"
    time.sleep(3)
    build.send_signal(signal.SIGINT)
    said, _ = build.communicate(timeout=10)
    assert build.returncode == 130
    said = said.removeprefix("Building the pages\n")  # a quick machine has run the notebooks by then
    assert said.startswith("Stopped. The next build makes what this one has not finished; sources and data are as they were\n") and "Traceback" not in said and "leaked" not in said


def test_a_full_disk_is_said_and_the_next_build_is_right(book, tmp_path):
    """The disk is one of this test's own, which grows from build to build: it is full at the cache, at the pictures, at the pages, then suffices."""
    disk, mounted = tmp_path / "disk", "mount -t tmpfs -o size={} none {}"
    disk.mkdir()
    if subprocess.run(["unshare", "-rm", "sh", "-c", mounted.format("1m", disk)], capture_output=True).returncode:
        pytest.skip("no disk can be made here; where unshare and user namespaces are allowed, it can")
    build = f'{sys.executable} -m retribution.book; echo "status $?"'
    steps = [mounted.format("32k", disk), build, *(f"mount -o remount,size={size} {disk}\n{build}" for size in ("1m", "6m", "100m")), f"cp -r {disk} {tmp_path / 'copy'}"]
    said = subprocess.run(["unshare", "-rm", "sh", "-c", "\n".join(steps)], cwd=book, env=surroundings(book, BUILD=str(disk)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    *full, last, rest = said.split("status ")
    for words in full:
        lines = [line for line in re.sub(r"^\d\n", "", words).splitlines() if line not in ("Running the notebooks that changed", "Building the pages")]
        assert len(lines) == 2 and re.match(rf"{disk}.*: (\[Errno 28\] )?(No space left on device|database or disk is full)", lines[0]) and "Free some room" in lines[1], said
    assert [words[0] for words in (*full[1:], last, rest)] == ["1", "1", "1", "0"], said
    shutil.rmtree(book / "_build", ignore_errors=True)
    shutil.copytree(tmp_path / "copy", book / "_build")
    assert differences(tree(book), book.tree) == []


def cut_short(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        {".jupyter_cache/executed/*/base.ipynb": flip_a_bit, ".jupyter_cache/__version__.txt": cut_short, "pictures/*.png": cut_short, "html/chapters/one.html": flip_a_bit},
        {".jupyter_cache/global.db": flip_a_bit, "pictures/*.js": cut_short, ".doctrees/chapters/two.doctree": cut_short, "data.zip": flip_a_bit},
        {".jupyter_cache/global.db": cut_short, "pictures/*.json": flip_a_bit, ".doctrees/environment.pickle": flip_a_bit, "state.json": flip_a_bit},
        {"state.json": cut_short},
    ],
)
def test_damaged_caches_are_made_anew(book, damage):
    same(book)
    for pattern, harm in damage.items():
        for path in list((book / "_build").glob(pattern)) or pytest.fail(pattern):
            harm(path)
    same(book)


def test_a_notebook_that_fails_dies_or_never_ends_is_named_and_the_others_are_kept(book):
    bad = {
        "dies": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "fails": "def half(x):\n    return x / 0\nhalf(3)",
        "hangs": "while True:\n    pass",
    }
    toc = book / "_toc.yml"
    before = toc.read_text()
    toc.write_text(before.replace("      - file: chapters/two\n", "      - file: chapters/two\n" + "".join(f"      - file: chapters/{name}\n" for name in bad)))
    for name, code in bad.items():
        write(book, name, code, limit=3)
    kept = sources(book)
    start = time.monotonic()
    said = built(book, status=1)
    print(f"{time.monotonic() - start:.0f} s until it was said: {said}")
    assert f"{book}/chapters/dies.ipynb: its kernel died before the end" in said and "build again" in said
    assert re.search(rf"{book}/chapters/fails.ipynb: ZeroDivisionError: division by zero\n(.*\n)+.*return x / 0", re.sub(r"\x1b\[[\d;]*m", "", said))
    assert f"{book}/chapters/hangs.ipynb: a cell did not end within 3 seconds, the limit for each; its kernel was stopped" in said
    assert said.endswith("The book was not built: a notebook failed.\n")
    assert alive(book) == [] and differences(sources(book), kept) == []
    ran = {path: path.stat().st_mtime_ns for path in (book / "_build" / ".jupyter_cache").glob("executed/*/base.ipynb")}
    assert len(ran) == 3
    for name in bad:
        (book / "chapters" / f"{name}.ipynb").unlink()
    toc.write_text(before)
    same(book)
    assert {path: path.stat().st_mtime_ns for path in ran} == ran


def pages_written(book, since):
    return {path.relative_to(book / "_build" / "html").as_posix() for path in (book / "_build" / "html").rglob("*.html") if path.stat().st_mtime_ns > since}


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def sentence(folder):
    edit(folder / "chapters" / "one.ipynb", "It rests on", "It now rests on")


def chart(folder):
    edit(folder / "chapters" / "one.ipynb", "mark_point", "mark_tick")


def table(folder):
    edit(folder / "chapters" / "one.ipynb", "It now rests on", "```{table} Numbered by Sphinx\\n:name: numbered\\n| a |\\n|---|\\n| b |\\n```\\n\\nIt rests on")


def unread(folder):
    """Change a file that no page is made of, and only the time of one that is."""
    edit(folder / "README.md", "# ", "# A word more: ")
    (folder / "chapters" / "one.ipynb").touch()


def title(folder):
    edit(folder / "register" / "claims.md", "# The claims", "# What is claimed")


def figures(folder):
    write(folder, "two", figure="renamed", code='charts.figure(alt.Chart(data.places).mark_point().encode(x="lon:Q", y="lat:Q"), "added", "Places", "Each at its point.", "Points.", "The places.")')


def read(folder):
    edit(folder / "pyproject.toml", "[project]", "# a line that changes what the notebooks print\n[project]")


def page_and_row(folder):
    edit(folder / "_toc.yml", "      - file: register/figures\n", "")
    (folder / "register" / "figures.md").unlink()
    with open(folder / "data" / "places.csv", "a", encoding="utf-8") as file:
        file.write("new_place,New Place,,Iraq,,33.3,44.4,town,\n")
    refresh(folder / "data")


def test_what_an_edit_leaves_is_what_a_build_from_nothing_makes(tmp_path):
    one, other = small(tmp_path / "one"), small(tmp_path / "other")
    built(one)
    least = {"chapters/one.html", "index.html", "404.html", "search.html", "chapters/cite.html", "register/changes.html"}
    for change, written in ((sentence, least), (chart, least | {"figures/one.html"}), (unread, least), (table, None), (title, None), (figures, None), (read, None), (page_and_row, None)):
        for folder in (one, other):
            change(folder)
        since = time.time_ns()
        shutil.rmtree(other / "_build" / "html", ignore_errors=True)
        said = built(one), built(other)
        assert differences(tree(one), tree(other)) == [], (change.__name__, said)
        if written:
            assert pages_written(one, since) == written
