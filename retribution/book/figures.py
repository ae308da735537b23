"""Turn each chart of a notebook into a numbered figure: still picture, live chart, rows, sources.

The notebook stores the Vega-Lite specification alone (see ``retribution.charts``). Here it becomes an inline
SVG in a wide and a narrow cut, which one local script swaps for the live chart when a reader turns to it; a set of
files: the rows as CSV, the picture as SVG and PNG, the specification; and a page of its own with the rows as a table.
"""

import csv
import html
import io
import json
import multiprocessing
import re
import textwrap
from concurrent.futures import wait
from pathlib import Path
from threading import Thread
from xml.sax.saxutils import quoteattr

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from .. import palette
from . import after_whole, cite
from .cite import CITATION
from .pictures import are_drawn, drawing, library, on, pictures
from .register import address

NIGHT = "#131416"  # the ground of the theme when it is dark
DARK = {
    palette.INK: "#e4e8ec",
    palette.MUTED: "#a3adb8",
    palette.RULE: "#3a424b",
    palette.LAND: "#2a3037",
    palette.HOME: "#14181c",
    palette.BLUE: "#5aaee6",
    palette.ORANGE: "#f08a4b",
    palette.GREEN: "#3fbf9b",
    palette.RED: "#ef7a72",
    palette.PURPLE: "#c792c0",
    palette.SKY: "#7cc4f2",
    palette.GOLD: "#d9b13b",
    palette.PALE: "#2a5a80",
}
LONGEST = 250  # rows of a table
# Columns that say where a mark is drawn, and what a row's link says.
PLACING = "above alignment arrow claim_id drawn event_id force inner lat level line lon month order outer place quarter rank row shift until way".split()
DRAWN = multiprocessing.get_context("fork").Event()  # as the processes that write pages, which are forks, can see it


class _Still(nodes.General, nodes.Element):
    """Where a figure's picture will stand; while pages are read, some are still being drawn."""


def _watch(app, builder):
    Thread(target=lambda: (wait(drawing), DRAWN.set()), daemon=True).start()


def _write_still(translator, node):
    builder, parent = translator.builder, multiprocessing.parent_process()
    while not (are_drawn(node["spec"], _folder(builder)) or DRAWN.wait(0.05)):
        if parent and not parent.is_alive():
            raise SystemExit("the build has ended")
    if node["spec"]["usermeta"]["name"] in _specs(builder.app):
        _write_files(builder, node["spec"])
    translator.body.append(_picture(node["spec"], "../" * builder.current_docname.count("/"), _folder(builder)))
    raise nodes.SkipNode


class Figure:
    """The MyST-NB renderer of a chart (entry point ``myst_nb.mime_renderers``)."""

    mime_priority_overrides = [("*", palette.MIME, 1)]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the figure node for a chart's specification; None leaves other output to MyST-NB."""
        if inline or data.mime_type != palette.MIME:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        words = spec.get("usermeta", {})
        if missing := {"name", "title", "caption", "sources"} - set(words):
            logging.getLogger(__name__).warning("a chart is no figure: it lacks %s", ", ".join(sorted(missing)), location=renderer.renderer.document["source"])
            return []
        return [_node(spec, words, renderer.renderer)]


def _node(spec, words, renderer):
    name = "fig-" + words["name"]
    document, env = renderer.document, renderer.sphinx_env
    figure = nodes.figure(ids=[name], names=[name], classes=["chart"], spec=spec)
    document.note_explicit_target(figure, figure)
    figure += _Still(spec=spec)
    figure += nodes.caption("", "", nodes.strong("", words["title"] + ". "), nodes.Text(words["caption"]))
    env.metadata[env.docname].setdefault("figures", {})[words["name"]] = {"title": words["title"], "events": _events(spec)}
    return figure


def _events(spec):
    """Return the ids of the events that have a mark of their own, by the rows' ids and links."""
    rows = [row for table in spec.get("datasets", {}).values() for row in table]
    linked = {found[1] for row in rows if (found := re.search(r"register/\d{4}-.*?\.html#(.+)", str(row.get("link"))))}
    return linked | {str(row["event_id"]) for row in rows if row.get("event_id")}


def _picture(spec, up, folder):
    """Return the HTML of a still picture in two cuts, and of the controls that will move once it is live."""
    name, title = spec["usermeta"]["name"], html.escape(spec["usermeta"]["title"])
    controls = "".join(_control(param) for param in spec.get("params", []) if "input" in param.get("bind", ()))
    form = f'<form class="vega-bindings">{controls}</form><p class="reset">Point at the figure or tap it to wake its controls.</p>' if controls else ""
    stills = ""
    _, drawn = pictures(spec, folder)
    for cut in ("wide", "narrow"):
        still = _still(spec, drawn[cut].read_text(encoding="utf-8"), f"fig-{name}-{cut}")
        width, height = re.search(r'width="([\d.]+)" height="([\d.]+)"', still).groups()
        room = "" if form else f' style="max-width:{width}px;aspect-ratio:{width}/{height}"'  # known before it is laid out
        stills += f'<div class="{cut}"{room}>{still}{form}</div>'
    return f'<div class="still" id="fig-{name}-chart" data-root="{up or "./"}" role="group" aria-label="{title}" tabindex="0">{stills}</div>'


def _control(param):
    """Return a control as Vega will draw it, but dead: it says what can be set and keeps the room for it."""
    bind, value = param["bind"], param.get("value", "")
    if bind["input"] == "select":
        labels = dict(zip(bind["options"], bind.get("labels", bind["options"])))
        field, shown = f"<select disabled><option>{html.escape(str(labels.get(value, value)))}</option></select>", ""
    else:
        limits = "".join(f' {key}="{bind[key]}"' for key in ("min", "max", "step") if key in bind)
        field = f'<input type="{bind["input"]}" disabled{limits}' + (" checked" * bool(value) if bind["input"] == "checkbox" else f' value="{html.escape(str(value))}"') + ">"
        shown = f"<span>{value}</span>" if bind["input"] == "range" else ""
    return f'<div class="vega-bind"><label><span class="vega-bind-name">{html.escape(bind.get("name", param["name"]))}</span>{field}{shown}</label></div>'


def _themed(text):
    """Let every colour of the book follow the reader's theme through a CSS variable."""
    return re.sub("|".join(DARK), lambda m: f"var(--c-{m[0][1:]},{m[0]})", text)


def _still(spec, svg, name):
    svg = re.sub(r'(?<=[#"])clip(?=-\d+[")])', name, svg)
    svg = re.sub(r' font-family="[^"]*"', "", svg)  # the style sheet says it once
    label = f'<svg role="img" aria-label="{html.escape(spec["description"])}" '
    return _themed(svg.replace("<svg ", label, 1))


def _rows(spec):
    """Return the rows a chart was drawn from, and their columns; outlines, reference lines and labels are left out."""
    tables = spec.get("datasets", {}).values()
    rows = list({json.dumps(row, sort_keys=True): row for table in tables for row in table if not {"geometry", "at", "dx"} & set(row)}.values())
    rows = [{column: value.removesuffix("T00:00:00") if isinstance(value, str) else value for column, value in row.items()} for row in rows]
    return rows, [column for column in dict.fromkeys(column for row in rows for column in row) if column != "link"]


def _titles(spec, columns):
    """Return what a reader calls each column, those first that a tooltip tells, without those that only place a mark.

    That is its title in a tooltip or else on an axis or in a legend; its name where that names no column alone.
    """
    found = {column: {"tooltip": set(), "other": set()} for column in columns}
    told = {}

    def look(part):
        if isinstance(part, list):
            for inner in part:
                look(inner)
        elif isinstance(part, dict):
            encoding = part.get("encoding", {})
            for channel, drawn in encoding.items():
                for one in drawn if isinstance(drawn, list) else [drawn]:
                    if one.get("field") not in found:
                        continue
                    if channel == "tooltip":
                        told[one["field"]] = None
                    if one.get("title") and f"{channel}2" not in encoding:  # else it is that of both ends
                        found[one["field"]]["tooltip" if channel == "tooltip" else "other"].add(one["title"])
            look([inner for key, inner in part.items() if key != "datasets"])

    look(spec)
    shown = [*told, *(column for column in columns if column not in told and column not in PLACING)]
    titles = {}
    for column in shown:
        said = found[column]["tooltip"] or found[column]["other"]
        titles[column] = min(said) if len(said) == 1 else column[0].upper() + column[1:].replace("_", " ")
    return {column: title if list(titles.values()).count(title) == 1 else column for column, title in titles.items()}


def _csv(spec):
    """Return the rows as CSV, under a comment of what they are; text is quoted, so that a # in it is no comment."""
    words, (rows, columns) = spec["usermeta"], _rows(spec)
    where = cite.address(f'figures/{words["name"]}.html')
    about = [
        f'{words["title"]}. In "{cite.BOOK}", version {CITATION["version"]}, {where}. Data fingerprint sha256:{cite.FINGERPRINT[:16]}.',
        f'Sources: {words["sources"]}',
        f'Licence: {CITATION["license"]}. Lines that begin with # are no rows.',
    ]
    out = io.StringIO()
    out.writelines(f"# {' '.join(line.split())}\n" for line in about)
    writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore", quoting=csv.QUOTE_NONNUMERIC)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _number(app, docname, name):
    return "Fig. " + ".".join(map(str, app.env.toc_fignumbers[docname]["figure"]["fig-" + name]))


def _foot(spec, number, up, code=False, page=True):
    """Return what stands beneath a figure: its sources and the row of links."""
    name = spec["usermeta"]["name"]
    files = {"Data": "csv", "SVG": "svg", "PNG": "png", "Specification": "vl.json"}
    links = {text: f'href="{up}figures/{name}.{ext}" download' for text, ext in files.items()}
    if page:
        links |= {"Table": f'href="{up}figures/{name}.html#table"'}
    links |= {"Cite": f'href="{up}figures/{name}.html#cite"', "Link": f'href="#fig-{name}"'}
    anchors = [f'<a {link} aria-label="{text}, {number}">{text}</a>' for text, link in links.items()]
    if code:
        anchors.insert(4, f'<button type="button" class="show-code" aria-label="Code, {number}" hidden>Code</button>')
    return f'<p class="chart-sources">Sources: {html.escape(spec["usermeta"]["sources"])}</p><p class="chart-tools">{"".join(anchors)}</p>'


def _finish(app, doctree, docname):
    """Put the tools beneath each figure of a page."""
    if app.builder.format != "html":
        return
    up = "../" * docname.count("/")
    for figure in doctree.findall(nodes.figure):
        if "spec" not in figure:
            continue
        spec = figure["spec"]
        name = spec["usermeta"]["name"]
        number = _number(app, docname, name)
        cell = next((part for part in _parents(figure) if "tag_hide-input" in part.get("classes", ())), None)
        if code := cell is not None:
            cell["classes"].append("has-code-button")
        figure += nodes.raw("", _foot(spec, number, up, code), format="html")
        if not (app.book_partly and Path(app.outdir, "figures", f"{name}.vl.json").read_text(encoding="utf-8") == _text(spec)):
            _specs(app)[name] = docname, number, spec


def _parents(node):
    while node := node.parent:
        yield node


def _specs(app):
    """Return the figures that this build writes: page, number and specification by name."""
    if not hasattr(app, "book_specs"):
        app.book_specs = {}
    return app.book_specs


def _folder(builder):
    """Return where pictures are kept from build to build."""
    return Path(builder.outdir).parent / "pictures"


def _text(spec):
    return json.dumps(spec, sort_keys=True, ensure_ascii=False)


def _write_files(builder, spec):
    name, folder = spec["usermeta"]["name"], Path(builder.outdir, "figures")
    folder.mkdir(exist_ok=True)
    narrow, drawn = pictures(spec, _folder(builder))
    plain = drawn["wide"].read_text(encoding="utf-8")
    night = re.sub("|".join(DARK), lambda m: DARK[m[0]], plain)
    live = {"datasets": spec.get("datasets", {}), **{cut: {k: v for k, v in draw.items() if k not in ("datasets", "usermeta")} for cut, draw in {"wide": spec, "narrow": narrow}.items()}}
    live = re.sub(r'(?<="link": ")[^"]+', lambda m: _entry(m[0]), _themed(json.dumps(live, sort_keys=True, ensure_ascii=False)))
    (folder / f"{name}.vl.json").write_text(_text(spec), encoding="utf-8")
    (folder / f"{name}.csv").write_text(_csv(spec), encoding="utf-8")
    (folder / f"{name}.svg").write_text(on(plain, "white"), encoding="utf-8")
    (folder / f"{name}.dark.svg").write_text(on(night, NIGHT), encoding="utf-8")
    (folder / f"{name}.png").write_bytes(drawn["png"].read_bytes())
    (folder / f"{name}.js").write_text(f"bookFigure({json.dumps(name)},{live});", encoding="utf-8")


def _entry(link):
    """Return where a mark's link leads, from the root of the book; a chart need not know which page has a source."""
    return re.sub(r"sources\.html#(.+)", lambda m: address("source", m[1]), link.removeprefix("../"))


def _pages(app):
    """Yield a page for each figure: the picture, its words, and its rows as a table that needs no sight of the chart."""
    if app.builder.format != "html":
        return
    for name, (docname, number, spec) in _specs(app).items():
        words = spec["usermeta"]
        title = html.escape(f"{number}: {words['title']}")
        body = f'<section><h1>{title}</h1><figure class="chart" id="fig-{name}">{_picture(spec, "../", _folder(app))}<figcaption><p>{html.escape(words["caption"])}</p>'
        body += f'{_foot(spec, number, "../", page=False)}</figcaption></figure>'
        body += f'<p class="credit">{html.escape("; ".join(cite.AUTHORS))}, <i>{html.escape(cite.BOOK)}</i>, version {CITATION["version"]}, {CITATION["license"]}.</p>'
        body += f'<p>From <a class="reference internal" href="../{docname}.html#fig-{name}">{html.escape(app.env.titles[docname].astext())}</a>.</p>'
        entry = cite.figure(name, words["title"])
        body += f'<h2 id="cite">Cite</h2>{cite.box(entry, _embed(entry), opened=True)}'
        body += f'<h2 id="table">The rows behind it</h2><p>The CSV has every column, by its short name, and those too that only place a mark.</p>{_tables(spec)}</section>'
        yield f"figures/{name}", {"title": title, "body": body, "entry": entry, "words": textwrap.shorten(words["caption"], 155, placeholder=" …")}, "page.html"


def _embed(entry):
    """Return how to set a figure's page into another page."""
    code = f'<iframe src="{entry["URL"]}" title={quoteattr(entry["title"])} width="100%" height="700" loading="lazy"></iframe>'
    return f"<dt>Embed</dt><dd><pre>{html.escape(code, quote=False)}</pre></dd>"


def _tables(spec):
    """Return the rows of a chart as tables: one for each set of columns, and short enough to be laid out at once when a reader comes near it."""
    rows, columns = _rows(spec)
    titles, kinds, tables = _titles(spec, columns), {}, []
    for row in rows:
        kinds.setdefault(tuple(column for column in titles if column in row), []).append(row)
    for columns, alike in sorted(kinds.items(), key=lambda kind: -len(kind[1])):
        if len(columns) < 2:  # names on a map
            continue
        columns = sorted(columns, key=lambda column: column not in ("title", "name", "Claim", "date", "statement_date"))  # first what tells which row it is
        head = "".join(f'<th scope="col">{html.escape(titles[column])}</th>' for column in columns)
        for start in range(0, len(alike), LONGEST):
            some = alike[start : start + LONGEST]
            which = f"{len(alike):,} row{'s' * (len(alike) > 1)}" if len(some) == len(alike) else f"rows {start + 1:,} to {start + len(some):,} of {len(alike):,}"
            tables.append((which, head, "".join(_row(row, columns) for row in some)))
    words = [html.escape(spec["usermeta"]["title"]) + f", table {number}" * (len(tables) > 1) for number in range(1, len(tables) + 1)]
    return "".join(
        f'<div class="table-wrapper docutils container" tabindex="0" role="region" aria-label="{word}: {which}"><table class="docutils"><caption>{word}: {which}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        for word, (which, head, body) in zip(words, tables)
    )


def _row(row, columns):
    cells = {column: _cell(row[column], column) for column in columns}
    names = next(column for column in columns if cells[column])
    if row.get("link"):
        cells[names] = f'<a class="reference internal" href="../{html.escape(_entry(row["link"]))}">{cells[names]}</a>'
    return "<tr>" + "".join(f'<th scope="row">{cell}</th>' if column == names else f"<td>{cell}</td>" for column, cell in cells.items()) + "</tr>"


def _cell(value, column):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)) and column != "year":
        return f"{int(value) if value == int(value) else value:,}"
    value = html.escape("" if value is None else str(value).replace("|", ", "))
    return f"<time>{value}</time>" if re.fullmatch(r"\d{4}-\d{2}-\d{2}", value) else value


class Figures(SphinxDirective):
    """The list of all figures with their pictures: ``{figures}``."""

    def run(self):
        return [_List()]


class _List(nodes.General, nodes.Element):
    pass


def _list(app, doctree, docname):
    for place in list(doctree.findall(_List)):
        body, up = "", "../" * docname.count("/")
        for page in app.builder.relations:  # in reading order
            if not (figures := app.env.metadata[page].get("figures")):
                continue
            items = ""
            for name, found in figures.items():
                pictures = "".join(f'<img class="only-{theme}" src="{up}figures/{name}.{ext}" alt="" loading="lazy" width="320" height="200">' for theme, ext in (("light", "svg"), ("dark", "dark.svg")))
                items += f'<li><a class="reference internal" href="{up}{page}.html#fig-{name}">{pictures}<span>{_number(app, page, name)}. {html.escape(found["title"])}</span></a></li>'
            body += f'<h2>{html.escape(app.env.titles[page].astext())}</h2><ul class="figures">{items}</ul>'
        place.replace_self(nodes.raw("", body, format="html"))


class _Numbers(SphinxPostTransform):
    """Resolve references to figures by the numbers given to them; Sphinx reads the whole page of the figure for each."""

    default_priority = 5  # before its own

    def run(self):
        std = self.env.domains["std"]
        for node in list(self.document.findall(addnodes.pending_xref)):
            docname, name, _ = std.labels.get(node["reftarget"], ("", "", ""))
            number = self.env.toc_fignumbers.get(docname, {}).get("figure", {}).get(name)
            if node["reftype"] == "numref" and number and not node["refexplicit"]:
                title = self.config.numfig_format["figure"]
                words = title % ".".join(map(str, number))
                node.replace_self(std.build_reference_node(self.env.docname, self.app.builder, docname, name, words, "numref", nodeclass=addnodes.number_reference, title=title))


def _write_colours(app, builder):
    if builder.format != "html":
        return
    dark = "".join(f"--c-{light[1:]}:{dark};" for light, dark in DARK.items())
    css = f"body[data-theme=dark]{{{dark}}}@media (prefers-color-scheme:dark){{body:not([data-theme=light]){{{dark}}}}}"
    css += "@media print{body[data-theme]{" + "".join(f"--c-{c[1:]}:{c};" for c in DARK) + "}}\n"
    sheet = Path(app.outdir, "_static", "figures.css")
    sheet.parent.mkdir(parents=True, exist_ok=True)
    sheet.write_text(css, encoding="utf-8")


def _write_vega(app):
    """Write the charting library."""
    folder = Path(app.outdir, "figures")
    folder.mkdir(exist_ok=True)
    (folder / "vega.js").write_bytes(library(_folder(app)).read_bytes())


def setup(app):
    """Write each figure's files with its page, then the figures' own pages, the charting library and the colours."""
    app.add_node(_List)
    app.add_node(_Still, html=(_write_still, None))
    app.add_directive("figures", Figures)
    app.connect("doctree-resolved", _finish)
    app.connect("doctree-resolved", _list)
    app.connect("html-collect-pages", _pages)
    app.add_post_transform(_Numbers)
    app.connect("write-started", _write_colours)
    app.connect("write-started", _watch)
    after_whole(app, _write_vega)
    app.add_css_file("figures.css")
    app.add_js_file("figures.js", loading_method="defer")
