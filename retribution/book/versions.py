"""Versions: what each added, corrected and withdrew; every address since its first; identifiers that need no registry.

``{changes}`` in MyST is the directive that lists the changes of the data, version by version. The role
``{identifier}`` shows the identifier of ``source`` (all the files that the book is made of), ``data`` or ``archive``.
"""

import csv
import fnmatch
import hashlib
import json
import os
import re
import uuid
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from ..dataset import DATA, quarter
from . import after_whole, ignored
from .cite import CITATION
from .register import address, data, day, index, short

ROOT = DATA.parent
ANCHORS = ROOT / "register" / "anchors.csv"
FEED = uuid.UUID("06b8f67e-f406-4ad3-ae86-07555c8f2abd")  # names the feed of corrections, and all in it are named from it
TABLES = {"claims": "Claims", "evidence": "Evidence on claims", "sources": "Documents", "counters": "Totals that others published", "series": "Series"}


@cache
def versions():
    """Return the date of each version by its number, newest first, from the changelog."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return {number: pd.Timestamp(date) for number, date in re.findall(r"^## \[([\d.]+)\] - (\S+)$", text, re.M)}


@cache
def anchors():
    """Return, for each address ever published, the version since which it leads somewhere and where it has moved to, if so."""
    with open(ANCHORS, encoding="utf-8", newline="") as file:
        return {row["address"]: (row["since"], row["moved"]) for row in csv.DictReader(file)}


def since(place):
    """Return the version since which an address leads somewhere: this one where it is not listed yet."""
    return anchors().get(place, (CITATION["version"],))[0]


def published(html):
    """Return the addresses that the built book promises to keep: pages, downloads, figures and entries of the register."""
    found = set()
    for path in html.rglob("*"):
        name = path.relative_to(html).as_posix()
        if path.is_dir() or name.startswith(("_", ".")) or path.suffix in (".js", ".inv") or name in ("404.html", "search.html"):
            continue
        found.add(name)
        if path.suffix == ".html" and not name.startswith("figures/"):
            text = path.read_text(encoding="utf-8")
            found |= {f"{name}#{found}" for found in re.findall(r'<(?:figure class="chart[^"]*"|section class="entry"|li) id="([^"]+)"', text)}
    return found


def list_anchors(html):
    """Add to the list every address of the built book that it lacks, as new in this version; return how many.

    An entry that has changed its page is not new: its old address is noted as moved, and the new one has its age.
    """
    standing, known = published(html), anchors()
    new = standing - set(known)
    found = {name.partition("#")[2]: name for name in new if "#" in name}
    to = {old: found[old.partition("#")[2]] for old, (_, moved) in known.items() if old not in standing and not moved and old.partition("#")[2] in found}
    listed = {name: (CITATION["version"], "") for name in new} | {name: (known[old][0], "") for old, name in to.items()}
    listed |= {old: (since, to.get(old) or to.get(moved, moved)) for old, (since, moved) in known.items()}
    with open(ANCHORS, "w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["address", "since", "moved"])
        rows.writerows([name, *row] for name, row in sorted(listed.items()))
    return len(new)


def write_moved(html, moved):
    """Write the script that leads from old addresses to new, and a page in each place where a whole page was.

    A page that still stands asks the script for a fragment that it does not have (``page.js``). A new address without
    a fragment keeps that of the old one. No page can lead on from a file of another kind: for a host there is a list,
    ``_redirects`` (the form of Netlify and Cloudflare).
    """
    script = (
        "(function (moved) {\n"
        '  var root = document.currentScript.src.replace(/moved\\.js$/, ""), at = location.href.slice(root.length).split("#");\n'
        '  var page = at[0].split("?")[0] || "index.html", hash = at[1] ? "#" + decodeURIComponent(at[1]) : "";\n'
        "  var to = moved[page + hash] || moved[page];\n"
        '  if (to) location.replace(root + to + (to.includes("#") ? "" : hash));\n'
        "})"
    )
    (html / "moved.js").write_text(f"{script}({json.dumps(moved, indent=0, sort_keys=True)});\n", encoding="utf-8")
    whole = {old: new for old, new in moved.items() if "#" not in old}
    (html / "_redirects").write_text("".join(f"/{quote(old)} /{quote(new, safe='/#')} 301\n" for old, new in whole.items()), encoding="utf-8")
    for old, new in whole.items():
        if not old.endswith(".html"):
            continue
        path, to = html / old, "../" * old.count("/") + quote(new, safe="/#")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Moved</title><link rel="canonical" href="{to}">'
            f'<script src="{"../" * old.count("/")}moved.js"></script><meta http-equiv="refresh" content="1; url={to}"></head>'
            f'<body><p>This page has moved: <a href="{to}">{escape(new)}</a>.</p></body></html>\n',
            encoding="utf-8",
        )


def swhid(folder, tree=ROOT):
    """Return the Software Hash Identifier of a folder: ``swh:1:dir:`` and what Git calls its tree, without asking Git.

    Of the files as they are, but for what ``.gitignore`` of ``tree`` names. After the SWHID specification 1.2
    (ISO/IEC 18670:2025), 5.2 and 5.3.
    """
    without = ignored(tree)

    def named(kind, content):
        return hashlib.sha1(b"%s %d\0" % (kind, len(content)) + content).digest()

    def directory(folder):
        entries = []
        for path in folder.iterdir():
            name = os.fsencode(path.name)
            if any(fnmatch.fnmatchcase(path.name, pattern) for pattern in without):
                continue
            if path.is_symlink():
                entries.append((name, b"120000", named(b"blob", os.fsencode(os.readlink(path)))))
            elif path.is_file():
                entries.append((name, b"100755" if path.stat().st_mode & 0o100 else b"100644", named(b"blob", path.read_bytes())))
            elif inside := directory(path):  # Git knows no empty folder
                entries.append((name, b"40000", inside))
        entries.sort(key=lambda entry: entry[0] + b"/" * (entry[1] == b"40000"))
        return named(b"tree", b"".join(b"%s %s\0%s" % (mode, name, digest) for name, mode, digest in entries)) if entries else b""

    return f"swh:1:dir:{directory(folder).hex()}"


@cache
def identifiers(archive):
    """Return the identifier of the source files, of ``data/``, and of the file ``archive`` that is ``data.zip``."""
    return {"source": swhid(ROOT), "data": swhid(DATA), "archive": "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest()}


def key(correction):
    """Return the identifier of a correction, made from what it corrects; the wording of its reason may be mended."""
    said = [str(value) for value in (correction.corrected_on.date(), correction.table, correction.row, correction.column, correction.was, correction.now)]
    return uuid.uuid5(FEED, json.dumps(said))


def withdrawal_key(event):
    """Return the identifier of the withdrawal of an event."""
    return uuid.uuid5(FEED, f"withdrawn {event.event_id}")


def subject(correction):
    """Return the page's address within ``register/`` and the title of what a correction corrects; the address is empty where it has no entry."""
    name, titles = correction.row.split(" / ")[0], index().titles
    if correction.table in ("events", "reports"):
        if name in titles:
            return address("event", name), titles[name]
        if name in set(data().retired["event_id"]):
            return address("event", name), f"Withdrawn: {name}"
    if correction.table in ("claims", "evidence") and name in index().claims:
        return address("claim", name), f"{name}: {index().claims[name]}"
    if correction.table == "sources" and name in index().sources:
        return address("source", name), index().sources[name].title
    return "", correction.row


def words(correction):
    """Return in words what a correction changed and why: the column, the value before and after, the reason."""
    was, now = ("empty" if pd.isna(value) else value.rstrip(".") for value in (correction.was, correction.now))
    part = correction.row.partition(" / ")[2]  # the source of a report, the piece of evidence
    reason = correction.reason[0].upper() + correction.reason[1:].rstrip(".")
    return f"{correction.column.replace('_', ' ')}{f' ({part})' if part else ''}: {was} → {now}. {reason}."


class _Changes(SphinxDirective):
    def run(self):
        every = data()
        events = pd.concat([every.events[["event_id", "title"]], every.retired[["event_id"]]])
        events = events.assign(since=[since(f"register/{address('event', e)}") for e in events["event_id"]]).sort_values("event_id")
        retired = every.retired.assign(version=[since(f"register/changes.html#withdrawn-{e}") for e in every.retired["event_id"]]).sort_values("event_id")
        gone = retired.set_index("event_id")["version"]
        log = every.corrections.assign(version=[since(f"register/changes.html#{_anchor(c)}") for c in every.corrections.itertuples()])
        order, sections, count = list(versions())[::-1], [], 0
        for n, version in enumerate(order):
            new = events[(events["since"] == version) & events["title"].notna()]
            count += (events["since"] == version).sum() - (gone == version).sum()
            section = nodes.section(ids=[f"version-{version}"], names=[version])
            section += nodes.title("", f"Version {version}, {day(versions()[version])}")
            if n == 0:
                body = f"<p>The first version that these pages know: {count:,} events.</p>"
            else:
                lost, mended = retired[retired["version"] == version], log[log["version"] == version]
                body = f"<p>{count:,} events: {len(new):,} added and {len(lost):,} withdrawn since version {order[n - 1]}. {len(mended):,} corrections.</p>"
                body += _part("Withdrawn", _list(map(_withdrawn, lost.itertuples())) if len(lost) else "")
                body += _part("Corrected", "".join(_fold(*group) for group in _corrected(mended)))
                body += _part("Added", "".join(_fold(q, len(rows), [_added(row) for row in rows.itertuples()]) for q, rows in new.groupby(new["event_id"].map(_quarter))))
            section += nodes.raw("", body, format="html")
            sections.insert(0, section)
        return sections


def _anchor(correction):
    return f"correction-{str(key(correction))[:8]}"


def _quarter(event_id):
    return quarter(event_id).upper().replace("-", " ")


def _part(title, body):
    return f"<h3>{title}</h3>{body}" if body else ""


def _list(items):
    return f"<ul>{''.join(items)}</ul>"


def _fold(name, count, items):
    return f"<details><summary>{name} ({count})</summary>{_list(items)}</details>"


def _added(row):
    return f'<li><a href="{address("event", row.event_id)}">{escape(row.title)}</a></li>'


def _withdrawn(row):
    stands = f' Stands now as <a href="{address("event", row.replaced_by)}">{escape(index().titles[row.replaced_by])}</a>.' if pd.notna(row.replaced_by) else ""
    return f'<li id="withdrawn-{row.event_id}"><a href="{address("event", row.event_id)}">{row.event_id}</a>: {escape(row.reason)}{stands}</li>'


def _corrected(log):
    """Return the corrections of one version, those of claims first, then by the quarter of the event, then the other tables."""
    groups = {}
    for row in log.itertuples():
        group = f"Events of {_quarter(row.row)}" if row.table in ("events", "reports") and subject(row)[0] else TABLES.get(row.table, "Reports")
        groups.setdefault(group, {}).setdefault(subject(row), []).append(row)
    first = ["Claims", "Evidence on claims"]
    for group in sorted(groups, key=lambda name: (first.index(name) if name in first else 3 - name.startswith("Events"), name)):
        items = []
        for (place, title), rows in sorted(groups[group].items(), key=lambda item: item[0]):
            head = f'<a href="{place}">{escape(short(title))}</a>' if place else escape(title)
            changes = [f'<li id="{_anchor(row)}">{escape(words(row))}</li>' for row in rows]
            items.append(f"<li>{head}{_list(changes)}</li>")
        yield group, sum(map(len, groups[group].values())), items


class _Identifier(SphinxRole):
    def run(self):
        self.env.metadata[self.env.docname]["identifiers"] = True
        return [_Named(of=self.text)], []


class _Named(nodes.Inline, nodes.Element):
    """An identifier, written when all pages are: it is no word to search for, and changes with every file."""


def _leave_room(translator, node):
    translator.body.append(f'<code class="literal" data-of="{node["of"]}">')


def _name(app, error):
    if error or app.builder.format != "html":
        return
    names = identifiers(Path(app.outdir).parent / "data.zip")
    for page in (Path(app.outdir, f"{name}.html") for name, about in app.env.metadata.items() if "identifiers" in about):
        text = re.sub(r'( data-of="(\w+)">)[^<]*', lambda place: place[1] + names[place[2]], page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")


def _lead_on(app):
    write_moved(Path(app.outdir), {old: moved for old, (_, moved) in anchors().items() if moved})


def setup(app):
    """Add the directive and the role, and lead from the addresses that have moved."""
    app.add_node(_Named, html=(_leave_room, lambda translator, node: translator.body.append("</code>")))
    app.add_directive("changes", _Changes)
    app.add_role("identifier", _Identifier())
    app.connect("build-finished", _name, priority=950)
    after_whole(app, _lead_on, priority=950)
