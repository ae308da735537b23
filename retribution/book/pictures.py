"""Draw the still pictures of a chart, once a specification: a wide and a narrow SVG, and a PNG."""

import functools
import hashlib
import json
import os
import re
from pathlib import Path

import vl_convert as vlc

from . import put

VEGA_LITE = "6.4"
NARROW = 340
FONTS = Path(__file__).parent / "fonts"
LIBRARY = f"vega-{vlc.__version__}.js"
drawing = []  # what other processes draw, as futures
DRAWN_BY = vlc.__version__.encode() + Path(__file__).read_bytes() + (FONTS / "signs.ttf").read_bytes()


def pictures(spec, folder):
    """Return the specification of the narrow cut, and the paths of what was drawn: ``wide``, ``narrow`` (SVG), ``png``.

    They are kept in ``folder`` under a hash of the specification and of what draws it. Text is measured, and drawn in the
    PNG, in the Liberation Sans within vl-convert, and in ``fonts`` where that lacks a sign: whatever else is installed; axes of time are in UTC. The narrow cut is ``NARROW``
    wide with its labels, so that a phone shows letters at their size. Marks of the style ``wide`` are left out of
    it, what stands side by side (``concat``) stands in one column, and a map keeps its shape.
    """
    text, paths = _kept(spec, folder)
    if not paths["json"].exists():
        folder.mkdir(parents=True, exist_ok=True)
        _draw_as_everywhere()
        width = NARROW - 60
        drawn = int(re.search(r'width="(\d+)', _svg(_narrowed(text, width)))[1])
        narrow = _narrowed(text, width + NARROW - drawn)
        wide = _svg(text)
        paths["wide"].write_text(_plain(wide), encoding="utf-8")
        paths["narrow"].write_text(_plain(_svg(narrow)), encoding="utf-8")
        paths["png"].write_bytes(vlc.svg_to_png(on(wide, "white"), scale=2))
        put(paths["json"], narrow)
    return json.loads(paths.pop("json").read_text(encoding="utf-8")), paths


def library(folder):
    """Return the path of the charting library, wrapped: its top-level names would clash with Sphinx's own scripts."""
    kept = folder / LIBRARY
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        bundle = vlc.javascript_bundle("window.bookEmbed=vegaEmbed;", vl_version=VEGA_LITE)
        put(kept, "(function(){" + bundle + "})();")
    return kept


def are_drawn(spec, folder):
    """Return whether ``folder`` has the pictures of a chart."""
    return _kept(spec, folder)[1]["json"].exists()


def _kept(spec, folder):
    """Return what is drawn and where it is kept; ``json`` is there last, and whole: others wait for it."""
    text = json.dumps({key: value for key, value in spec.items() if key != "usermeta"}, sort_keys=True)  # a notebook that is read back has its keys in another order than one that was run
    key = hashlib.sha256(text.encode() + DRAWN_BY).hexdigest()
    return text, {part: folder / f"{key}.{part}" for part in ("wide", "narrow", "png", "json")}


@functools.cache
def _draw_as_everywhere():
    """Put axes of time in UTC, and hide the machine's fonts from vl-convert, which looks for fonts once, when it first draws; what else this process starts sees them."""
    os.environ["TZ"] = "UTC"
    outer = os.environ.get("FONTCONFIG_FILE")
    os.environ["FONTCONFIG_FILE"] = str(FONTS / "fonts.conf")
    vlc.svg_to_png('<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>')
    del os.environ["FONTCONFIG_FILE"]
    if outer is not None:
        os.environ["FONTCONFIG_FILE"] = outer


def on(svg, ground):
    """Return a picture with a ground of this colour."""
    return re.sub(r'(<svg [^>]*width="([\d.]+)" height="([\d.]+)"[^>]*>)', rf'\1<rect width="\2" height="\3" fill="{ground}"/>', svg, count=1)


def _svg(text):
    return vlc.vegalite_to_svg(text, vl_version=VEGA_LITE)


def _narrowed(text, width):
    narrow = json.loads(text)
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
        if "concat" in part:
            part["columns"] = 1
        if "layer" in part:
            part["layer"] = [layer for layer in part["layer"] if "wide" not in str(layer.get("mark"))]
        parts = [p for key in ("layer", "concat", "vconcat") for p in part.get(key, [])] + ([part["spec"]] if "spec" in part else [])
        is_map = [shrink(p, size) for p in parts]
        if "layer" in part and any(is_map) and "width" in part:
            part["height"] = round(size[1] * part["width"] / size[0])
        return "layer" in part and any(is_map)

    shrink(narrow, (width, None))
    return json.dumps(narrow)


def _plain(svg):
    """Return a picture without what is not seen, without links, which only work in the live chart, and without a label for each mark."""
    svg = re.sub(r'</?a\b[^>]*>| (?:role|aria-[a-z]+|pointer-events)="[^"]*"|(?<! fill)(?<! stroke) opacity="1"', "", svg)
    svg = re.sub(r'<text[^>]* opacity="0">[^<]*</text>|<path class="(?:back|fore)ground"[^>]*(?:display="none"|d="M0,0h0v0h0Z")[^>]*/>', "", svg)
    ids = {}  # vl-convert numbers them on from picture to picture
    svg = re.sub(r'(?<=[#"])(?:clip|gradient)_?\d+(?=[")])', lambda m: ids.setdefault(m[0], f"clip-{len(ids)}"), svg)
    return re.sub(r"(\.\d)\d{2,}(?=[^<>]*>)", r"\1", svg)
