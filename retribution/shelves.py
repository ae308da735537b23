"""Where an entry of the register stands. A page is named by where it begins, so that an address depends on its own id alone."""

import re
from bisect import bisect_right
from functools import cache
from types import SimpleNamespace

from .dataset import DATA

MOST = {"event": 120, "place": 120, "source": 500}  # entries on a page, which thus stays as light when the data grow
LISTED = 400  # events below a party or place; the table has them all
NAMES = {"event": r"(\d{4}-.+)", "place": r"places(?:-(.+))?", "source": r"sources-(.+)"}


@cache
def shelves(kind):
    """Return the pages of ``kind``, which is event, place or source, in order: the least ``key`` on each, its ``name`` and ``title``.

    They are the files of ``register/``: ``2020-q1``, ``2020-01-16``; ``places``, ``places-k``; ``sources-2020-01``, ``sources-undated-e``.
    """
    found = []
    for path in (DATA.parent / "register").glob("*.md"):
        if name := re.fullmatch(NAMES[kind], path.stem):
            start = re.sub(r"-q([1-4])$", lambda quarter: f"-{3 * int(quarter[1]) - 2:02}", name[1] or "")
            found.append(SimpleNamespace(key=start, name=path.stem, title=path.read_text(encoding="utf-8").partition("\n")[0].strip("# ")))
    return sorted(found, key=lambda page: page.key)


def order(kind, name):
    """Return by what an entry is put in order: its id, but for sources first the day in it, or ``undated``."""
    return re.sub(r"(.*)-(\d{4}-\d\d-\d\d|undated)(-[0-9a-f]+)", r"\2-\1\3", name) if kind == "source" else name


@cache
def shelf(kind, name):
    """Return the name of the page of the register that holds the event, place or source of this id, such as ``2020-q1``."""
    pages = shelves(kind)
    return pages[max(0, bisect_right(pages, order(kind, name), key=lambda page: page.key) - 1)].name
