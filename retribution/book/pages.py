"""The line under each title, the page description, and the rule that nothing loads from outside."""

import html
import re
from pathlib import Path
from urllib.parse import quote

import yaml

CITATION = yaml.safe_load((Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8"))


def _title_line(docname, up):
    """Return the links for rerunning and citing a chapter; Binder directly once CITATION.cff names a repository."""
    notebook = docname.rpartition("/")[2] + ".ipynb"
    binder = f"{up}chapters/reproduce.html#binder"
    if repository := CITATION.get("repository-code"):
        binder = f"https://mybinder.org/v2/git/{quote(repository, safe='')}/HEAD?labpath={quote('chapters/' + notebook)}"
    links = {
        "Rerun or Binder": binder,
        "Notebook": f"{up}notebooks/{notebook}",
        "Data": f"{up}data.zip",
        "Cite": f"{up}chapters/cite.html#{Path(notebook).stem}",
    }
    anchors = "".join(f'<a href="{html.escape(link)}"{" download" if text in ("Notebook", "Data") else ""}>{text}</a>' for text, link in links.items())
    return f'<p class="title-tools">{anchors}<button type="button" class="show-all-code" hidden>Show code</button></p>'


def _is_local(asset):
    """Return whether a page may load this: no outside address, none of what Jupyter Book adds for other themes."""
    text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {}).get('body')}"
    return not any(word in text for word in ("://", "thebe", "sphinx-book-theme"))


def _finish(app, docname, template, context, doctree):
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if _is_local(asset)]
    if doctree is None:
        return
    if str(app.env.doc2path(docname)).endswith(".ipynb"):
        line = _title_line(docname, "../" * docname.count("/"))
        context["body"] = re.sub(r"</h1>", lambda m: m[0] + line, context["body"], count=1)
    first = next((p.astext() for p in doctree.findall(lambda n: n.tagname == "paragraph")), "")
    words = html.escape(" ".join(first.split())[:155], quote=True)
    context["metatags"] += f'<meta name="description" content="{words}">'


def _prepare(app):
    app.config.html_static_path.append(str(Path(__file__).parent / "static"))
    # A setting of the theme's own, which Jupyter Book would refuse as unknown in _config.yml.
    app.config.pygments_dark_style = "a11y-high-contrast-dark"


def setup(app):
    """Finish each page as it is written."""
    app.connect("builder-inited", _prepare, priority=100)
    app.connect("html-page-context", _finish, priority=900)
    app.add_css_file("book.css")
