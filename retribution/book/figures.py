"""Turn each chart of a notebook into a numbered figure: still picture, live chart, rows, sources.

The notebook stores the Vega-Lite specification alone (see ``retribution.charts``). Here it becomes an inline
SVG in a wide and a narrow cut, which one local script swaps for the live chart when a reader turns to it, and a
set of files: the rows as CSV, the picture as SVG and PNG, the specification.
"""

import copy
import csv
import hashlib
import html
import io
import json
import re
from pathlib import Path

import vl_convert as vlc
from docutils import nodes
from sphinx.util import logging

from .. import charts

VEGA_LITE = "6.4"
NARROW = 340
BASE = "https://vega.github.io/vega-datasets/"  # vl-convert resolves a mark's relative link against it
DARK = {
    charts.INK: "#e4e8ec",
    charts.MUTED: "#a3adb8",
    charts.RULE: "#3a424b",
    charts.LAND: "#2a3037",
    charts.HOME: "#14181c",
    charts.BLUE: "#5aaee6",
    charts.ORANGE: "#f08a4b",
    charts.GREEN: "#3fbf9b",
    charts.RED: "#ef7a72",
    charts.PURPLE: "#c792c0",
    charts.SKY: "#7cc4f2",
    charts.GOLD: "#d9b13b",
    charts.PALE: "#2a5a80",
}


class Figure:
    """The MyST-NB renderer of a chart (entry point ``myst_nb.mime_renderers``)."""

    mime_priority_overrides = [("*", charts.MIME, 1)]

    @staticmethod
    def handle_mime(renderer, data, inline):
        """Return the figure node for a chart's specification; None leaves other output to MyST-NB."""
        if inline or data.mime_type != charts.MIME:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        words = spec.get("usermeta", {})
        if missing := {"name", "title", "caption", "sources"} - set(words):
            logging.getLogger(__name__).warning("a chart is no figure: it lacks %s", ", ".join(sorted(missing)), location=renderer.renderer.document["source"])
            return []
        return [_node(spec, words, renderer.renderer)]


def _node(spec, words, renderer):
    name = "fig-" + words["name"]
    up = "../" * renderer.sphinx_env.docname.count("/")
    document = renderer.document
    figure = nodes.figure(ids=[name], names=[name], classes=["chart"], spec=spec)
    document.note_explicit_target(figure, figure)
    stills = "".join(f'<div class="{cut}">{_still(draw, name + "-" + cut, spec["description"])}</div>' for cut, draw in _cuts(spec).items())
    figure += nodes.raw("", f'<div class="still" id="{name}-chart" data-live="{up}figures/{words["name"]}.js" data-vega="{up}figures/vega.js" tabindex="0">{stills}</div>', format="html")
    figure += nodes.caption("", "", nodes.strong("", words["title"] + ". "), nodes.Text(words["caption"]))
    files = {"Data": "csv", "SVG": "svg", "PNG": "png", "Specification": "vl.json"}
    links = "".join(f'<a href="{up}figures/{words["name"]}.{ext}" download>{text}</a>' for text, ext in files.items())
    figure += nodes.raw(
        "",
        f'<p class="chart-sources">Sources: {html.escape(words["sources"])}</p><p class="chart-tools">{links}<a href="{up}chapters/cite.html#figures">Cite</a><a href="#{name}">Link</a></p>',
        format="html",
    )
    return figure


def _cuts(spec):
    """Return the specification as drawn on a wide and on a narrow page; a map keeps its shape.

    Marks of the style ``wide`` are left out of the narrow cut.
    """
    narrow = copy.deepcopy(spec)
    width = NARROW - 60
    narrow["config"]["legend"]["columns"] = 2
    narrow["config"]["view"] |= {"continuousWidth": width, "discreteWidth": width}

    def shrink(part, size):
        if isinstance(part.get("width"), (int, float)):
            size = part["width"], part.get("height")
            part["width"] = min(width, size[0])
        if "projection" in part:
            scale = min(1, width / size[0])
            part["projection"]["clipExtent"] = [[0, 0], [size[0] * scale, size[1] * scale]]
            return True
        if "layer" in part:
            part["layer"] = [layer for layer in part["layer"] if "wide" not in str(layer.get("mark"))]
        parts = [p for key in ("layer", "vconcat") for p in part.get(key, [])] + ([part["spec"]] if "spec" in part else [])
        is_map = [shrink(p, size) for p in parts]
        if "layer" in part and any(is_map) and "width" in part:
            part["height"] = round(size[1] * part["width"] / size[0])
        return "layer" in part and any(is_map)

    shrink(narrow, (width, None))
    return {"wide": spec, "narrow": narrow}


def _themed(text):
    """Let every colour of the book follow the reader's theme through a CSS variable."""
    return re.sub("|".join(DARK), lambda m: f"var(--c-{m[0][1:]},{m[0]})", text)


def _still(spec, name, description):
    svg, ids = vlc.vegalite_to_svg(spec, vl_version=VEGA_LITE).replace(BASE, ""), {}
    svg = re.sub(r'(?<=[#"])(?:clip|gradient)_?\d+(?=[")])', lambda m: ids.setdefault(m[0], f"{name}-{len(ids)}"), svg)
    label = f'<svg role="img" aria-label="{html.escape(description)}" '
    return _themed(svg.replace("<svg ", label, 1))


def _rows(spec):
    """Return the rows a chart was drawn from as one CSV table; outlines and reference lines are left out."""
    tables = spec.get("datasets", {}).values()
    rows = list({json.dumps(row, sort_keys=True): row for table in tables for row in table if not {"geometry", "at"} & set(row)}.values())
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(column for row in rows for column in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _write_files(app, doctree, docname):
    if app.builder.format != "html":
        return
    for figure in doctree.findall(nodes.figure):
        if "spec" not in figure:
            continue
        spec = figure["spec"]
        name = spec["usermeta"]["name"]
        folder = Path(app.outdir, "figures")
        folder.mkdir(exist_ok=True)
        text = json.dumps(spec, sort_keys=True, ensure_ascii=False)
        (folder / f"{name}.vl.json").write_text(text, encoding="utf-8")
        (folder / f"{name}.csv").write_text(_rows(spec), encoding="utf-8")
        paper = spec | {"background": "white"}
        cache = Path(app.outdir).parent / "pictures"
        for ext, draw in (("svg", vlc.vegalite_to_svg), ("png", lambda s, **k: vlc.vegalite_to_png(s, scale=2, **k))):
            kept = cache / f"{hashlib.sha256(text.encode()).hexdigest()}.{ext}"
            if not kept.exists():
                cache.mkdir(exist_ok=True)
                picture = draw(paper, vl_version=VEGA_LITE)
                kept.write_bytes(picture.replace(BASE, "").encode() if ext == "svg" else picture)
            (folder / f"{name}.{ext}").write_bytes(kept.read_bytes())
        live = _themed(json.dumps(_cuts(spec), sort_keys=True, ensure_ascii=False))
        (folder / f"{name}.js").write_text(f"bookFigure({json.dumps(name)},{live});", encoding="utf-8")


def _write_vega(app, error):
    """Write the charting library once, wrapped: its top-level names would clash with Sphinx's own scripts."""
    if error or app.builder.format != "html":
        return
    kept = Path(app.outdir).parent / f"vega-{vlc.__version__}.js"
    if not kept.exists():
        bundle = vlc.javascript_bundle("window.bookEmbed=vegaEmbed;", vl_version=VEGA_LITE)
        kept.write_text("(function(){" + bundle + "})();", encoding="utf-8")
    folder = Path(app.outdir, "figures")
    folder.mkdir(exist_ok=True)
    (folder / "vega.js").write_bytes(kept.read_bytes())
    dark = "".join(f"--c-{light[1:]}:{dark};" for light, dark in DARK.items())
    css = f"body[data-theme=dark]{{{dark}}}@media (prefers-color-scheme:dark){{body:not([data-theme=light]){{{dark}}}}}"
    css += "@media print{body[data-theme]{" + "".join(f"--c-{c[1:]}:{c};" for c in DARK) + "}}\n"
    Path(app.outdir, "_static", "figures.css").write_text(css, encoding="utf-8")


def setup(app):
    """Write each figure's files with its page, and the charting library and colours at the end."""
    app.connect("doctree-resolved", _write_files)
    app.connect("build-finished", _write_vega)
    app.add_css_file("figures.css")
    app.add_js_file("figures.js", loading_method="defer")
