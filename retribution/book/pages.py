"""The line under each title, the page description, what a page loads, and mends to the theme's and MyST-NB's HTML."""

import base64
import hashlib
import html
import json
import re
import shutil
import textwrap
from pathlib import Path
from urllib.parse import quote

from docutils import nodes
from furo.navigation import get_navigation_tree
from pygments.formatters.html import HtmlFormatter
from pygments.token import Name, Punctuation, Text, Whitespace
from sphinx.highlighting import PygmentsBridge
from sphinx.jinja2glue import BuiltinTemplateLoader
from sphinx.search.en import SearchEnglish

from . import after_whole, cite, formats
from .cite import CITATION
from .register import claim_record, data, event_record


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
        "Cite": "#cite-this",
    }
    anchors = "".join(f'<a href="{html.escape(link)}"{" download" if text in ("Notebook", "Data") else ""}>{text}</a>' for text, link in links.items())
    return f'<p class="title-tools">{anchors}<button type="button" class="show-all-code" hidden>Show code</button></p>'


def _spare_navigation(app, docname, template, context, doctree):
    """Keep the theme from making the tree of all pages anew for each; ``_add_navigation`` makes it once a folder."""
    if docname != "404":  # whose links are absolute
        context["toctree"] = lambda **_: ""


def _add_navigation(app, docname, template, context, doctree):
    if docname == "404":
        return
    folder = docname.rpartition("/")[0]
    if folder not in app.book_navigation:
        whole = app.builder._get_local_toctree(f"{folder}/none".lstrip("/"), collapse=False, titles_only=True, maxdepth=-1, includehidden=True)
        app.book_navigation[folder] = get_navigation_tree(whole)
    context["furo_navigation_tree"] = _with_current(app.book_navigation[folder], docname.rpartition("/")[2])


def _with_current(tree, name):
    """Return the tree of pages as Sphinx and Furo write it for the page ``name`` of the same folder: it and what it stands under are marked."""
    before, link, after = tree.partition(f'<a class="reference internal" href="{name}.html">')
    if not link:
        return tree
    above = []
    for tag in re.finditer(r"<(/?)(?:ul|li)\b[^>]*>", before):
        above.pop() if tag[1] else above.append(tag)
    tree = before + '<a class="current reference internal" href="#">' + after
    for tag in reversed(above):
        inside = tree[tag.end() :]
        if "has-children" in tag[0]:
            inside = re.sub('(<input aria-label="[^"]*" )', r'\1checked="" ', inside, count=1)
        new = '<ul class="current">' if tag[0].startswith("<ul") else re.sub(r'(toctree-l\d)([^"]*)', rf'\1 current\2{" current-page" * (tag == above[-1])}', tag[0])
        tree = tree[: tag.start()] + new + inside
    return tree


def _is_used(asset, body):
    """Return whether a page loads this: no outside address, none of what Jupyter Book adds and the page does not use."""
    text = f"{getattr(asset, 'filename', asset)} {getattr(asset, 'attributes', {}).get('body')}"
    unused = ["://", "thebe", "sphinx-book-theme", "toggle", "design"] + ["clipboard", "copybutton.js"] * ('class="highlight"' not in body)
    return not any(word in text for word in unused)


def _finish(app, docname, template, context, doctree):
    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if _is_used(asset, context.get("body", ""))]
    about, up = app.env.metadata.get(docname, {}), "../" * docname.count("/")
    words = context.get("words") or about.get("description") or _first_words(context, doctree)
    entry = context.get("entry") or doctree and cite.page(app, docname)
    if not entry:
        context["metatags"] = context.get("metatags", "") + f'<meta name="description" content="{html.escape(words)}">'
        return
    graph = [cite.schema_book(cite.chapters(app))] if entry["type"] == "book" else [cite.schema_chapter(entry, words, up)]
    if docname == "register/claims":
        graph += cite.schema_reviews(data().claims)
    if docname == "chapters/cite":
        graph.append(formats.schema_org(Path(app.outdir).parent / "data.zip", up))
    context["metatags"] = context.get("metatags", "") + cite.tags(entry, words, up) + cite.linked(graph)
    if doctree and docname != "chapters/cite":
        context["body"] += f'<section id="cite-this">{cite.box(entry, _history(about), what="Cite this page")}</section>'
    if doctree and str(app.env.doc2path(docname)).endswith(".ipynb"):
        line = _title_line(docname, up)
        context["body"] = re.sub(r"</h1>", lambda m: m[0] + line, context["body"], count=1)


def _history(about):
    """Return a chapter's own versions, newest first, as its metadata tell them."""
    items = "".join(f'<li>{html.escape(v["version"])} ({html.escape(v["date"])}): {html.escape(v["change"])}</li>' for v in json.loads(about.get("versions", "[]")))
    return f"<dt>Versions</dt><dd><ul>{items}</ul></dd>" if items else ""


def _first_words(context, doctree):
    """Return a page's first paragraph, shortened; its title where it has none."""
    first = next((p.astext() for p in doctree.findall(lambda n: n.tagname == "paragraph")), "") if doctree else ""
    words = textwrap.shorten(first, 155, placeholder=" …") or f'{re.sub("<[^>]+>", "", context.get("title", "Index"))}. From the book {CITATION["title"]}'
    return html.unescape(words)


def _write_citations(app):
    """Write the records of all that can be cited, each format in one file."""
    first, *others = (cite.page(app, page) for page in app.builder.relations)
    entries = [first, cite.dataset(), *others]
    entries += [cite.figure(name, figure["title"]) for page in app.builder.relations for name, figure in app.env.metadata[page].get("figures", {}).items()]
    entries += [*map(claim_record, data().claims.itertuples()), *map(event_record, data().events.itertuples())]
    for ending, write in (("bib", cite.bibtex), ("ris", cite.ris), ("json", cite.csl)):
        Path(app.outdir, f"citations.{ending}").write_text(write(entries), encoding="utf-8")


# What the theme, MyST-NB and sphinx-thebe write and a validator, a screen reader or a keyboard stumbles over.
MENDS = [
    (r'<meta name="viewport" content="width=device-width, initial-scale=1" />', ""),  # there is one already
    (r'<script type="text/x-thebe-config">.*?</script>\s*<script>kernelName = [^<]*</script>', ""),
    (r'<meta name="robots" content="noindex" />', ""),
    (r'<aside class="sidebar-drawer">(.*?)</aside>', r'<nav class="sidebar-drawer" aria-label="The book">\1</nav>'),
    (r'<aside class="(toc-drawer[^"]*)">(.*?)</aside>', r'<nav class="\1" aria-label="This page">\2</nav>'),
    (r'<p class="caption" role="heading">', '<p class="caption" role="heading" aria-level="2">'),
    (r'<div id="search-results"></div>', '<h1>Search</h1><form class="search" role="search"><input type="search" name="q" aria-label="Words, a name or a place"> <button>Search</button></form><div id="search-results"></div>'),
    (r'<p class="((?:collapsed|expanded) admonition-title)">(.*?)</p>', r'<span class="\1">\2</span>'),  # no paragraph may be in a summary
    (r'<summary aria-label="Toggle hidden content">', "<summary>"),  # its own words say more
    (r"<style scoped>.*?</style>", ""),  # pandas' own; no browser knows scoped
    (r'(?<=href=")[^"]*(?:&quot;|[{}])[^"]*', lambda m: quote(html.unescape(m[0]), safe=":/?#[]@!$&'()*+,;=%~")),
    (r'<th( class="[^"]*")?>(?:<p></p>)?</th>', r"<td\1></td>"),
    (r'<a href="#" class="back-to-top.*?</a>', ""),  # it covers text
    (r'<script(?![^>]* defer)(?=[^>]* src=)', "<script defer"),
]


SHEET = '<link rel="stylesheet" type="text/css"'

# From disk, where the addresses of the page that a host shows in place of a lost one lead nowhere.
LOST = """<script>
if (location.protocol === "file:") document.querySelectorAll("[href^='/'], [action^='/']").forEach(function (e) {
  ["href", "action"].forEach(function (name) { if (e.hasAttribute(name)) e.setAttribute(name, e.getAttribute(name).slice(1)); });
});
</script>"""


def _explain_tables(text):
    """Return a page with what a screen reader says of its tables: a caption, by the heading above, and headers of columns and rows."""
    heading, number = "", 0

    def row(found):
        return f'{found[1]}<th scope="row"{found[2]}>{found[3]}</th>' if re.sub("<[^>]+>", "", found[3]).strip() else found[0]

    def explained(found):
        nonlocal heading, number
        if found[1]:
            heading, number = re.sub(r'<a class="headerlink".*?</a>|<[^>]+>', "", found[1]), 0
            return found[0]
        number += 1
        head, start, body = found[0].partition("<tbody>")
        if "<caption" not in head:
            words = heading + (f", table {number}" if number > 1 else "")
            head = re.sub(r"<table[^>]*>", lambda table: f'{table[0]}<caption class="unseen">{words}</caption>', head)
        head = re.sub(r"<th\b(?![^>]* scope=)", '<th scope="col"', head)
        body = re.sub(r"<th\b(?![^>]* scope=)", '<th scope="row"', body)
        if "<th" not in body:
            body = re.sub(r"(<tr[^>]*>\s*)<td([^>]*)>(.*?)</td>", row, body, flags=re.S)
        return head + start + body

    return re.sub(r"<h[1-6][^>]*>(.*?)</h[1-6]>|<table.*?</table>", explained, text, flags=re.S)


class Mended(BuiltinTemplateLoader):
    """Mend each page as it is rendered, and put its stylesheets into one (``template_bridge`` of Sphinx)."""

    def init(self, builder, *arguments):
        """Remember where the pages go; called by Sphinx."""
        super().init(builder, *arguments)
        self.out = Path(builder.outdir)

    def render(self, template, context):
        """Return the page; called by Sphinx."""
        text = super().render(template, context)
        if not template.endswith(".html"):
            return text
        for pattern, new in MENDS:
            text = re.sub(pattern, new, text, flags=re.S)
        text = _explain_tables(text)
        if context["pagename"] == "404":
            text = text.replace("</body>", LOST + "</body>")
        links = re.findall(SHEET + r' href="(/?(?:\.\./)*)_static/([^"?]+)([^"]*)" />', text)
        name = f"_static/pages-{hashlib.sha256(str([link[1:] for link in links]).encode()).hexdigest()[:8]}.css"
        if not (sheet := self.out / name).exists():  # its parts are not all there yet
            sheet.write_text(" ".join(part for _, part, _ in links), encoding="utf-8")
        one = f'<link rel="stylesheet" href="{links[0][0]}{name}">'
        return re.sub(SHEET + "[^>]*>", lambda m, rest=iter([one]): next(rest, ""), text)


def _merge_sheets(app, error):
    if error or app.builder.format != "html":
        return
    static, merged = Path(app.outdir, "_static"), set()
    for path in static.glob("pages-*.css"):
        parts = path.read_text(encoding="utf-8").partition("\n")[0].strip("/* ").split()
        if path.stat().st_size < 1000:
            css = "\n".join([f"/* {' '.join(parts)} */", *(static.joinpath(part).read_text(encoding="utf-8") for part in parts)])
            css = re.sub(r"(summary\s*>\s*)p\.", r"\1.", css)
            css = css.replace(".no-js .theme-toggle-container{display:none}", ".no-js .theme-toggle-container{visibility:hidden}")  # it would push the header aside
            path.write_text(css, encoding="utf-8")
        merged |= set(parts)
    for part in merged:
        static.joinpath(part).unlink(missing_ok=True)


def _write_policy(app):
    """Write the policy that a host can send with the pages."""
    out, inline = Path(app.outdir), set()
    for path in out.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        inline |= set(re.findall(r"<script>(.*?)</script>", text[: text.find("<article")] + text[text.rfind("</article>") :], re.S))  # the theme's, none of the content's
    hashes = " ".join(sorted(f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in inline))
    policy = f"default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'"
    (out / "_headers").write_text(f"/*\n  Content-Security-Policy: {policy}\n  Cache-Control: max-age=3600\n  X-Content-Type-Options: nosniff\n", encoding="utf-8")


def _prepare(app):
    app.config.html_static_path.append(str(Path(__file__).parent / "static"))
    app.config.html_baseurl = CITATION.get("url", "")
    # A setting of the theme's own, which Jupyter Book would refuse as unknown in _config.yml.
    app.config.pygments_dark_style = "a11y-high-contrast-dark"


def _leave_other_theme(app, config):
    config.templates_path.clear()  # Jupyter Book's own theme put its folder there; .buildinfo has a hash of this setting


def _to_read(app, env, added, changed, removed):
    for name in ("sphinx_jupyterbook_latex", "sphinx_multitoc_numbering"):
        app.extensions[name].parallel_read_safe = True  # they do not say so: one is for another builder, one works on what has been read
    app.book_navigation = {}
    app.book_partly = False  # whether the build leaves most pages as they are
    again = () if app.config.book_changed is None else {*app.config.book_changed, *added, *changed} & env.found_docs  # Sphinx goes by times besides
    app.book_faces = {name: _face(env, name) for name in sorted(again)}
    app.book_numbers = {name: env.toc_fignumbers.get(name, {}) for name in app.book_faces}
    return again


def _face(env, docname):
    """Return what other pages show of a page."""
    labels = [(label, name, title) for label, (page, name, title) in env.domains["std"].labels.items() if page == docname]
    about = {key: env.metadata.get(docname, {}).get(key) for key in ("description", "decides", "figures")}  # of all, not its number of words
    return str(env.titles.get(docname)), about, labels


def _numbered(env, docname):
    """Return the ids of what Sphinx numbers on a page, in their order, by kind."""
    std, found = env.domains["std"], {}
    for node in env.get_doctree(docname).findall(nodes.Element):
        if (kind := std.get_enumerable_node_type(node)) and std.get_numfig_title(node) and node["ids"]:
            found.setdefault(kind, []).append(node["ids"][0])
    return found


def _to_write(app, env):
    """Return the pages to write besides those that were read: all where another page shows what has changed."""
    if any(_face(env, name) != face or _numbered(env, name) != {kind: list(ids) for kind, ids in app.book_numbers[name].items()} for name, face in app.book_faces.items()):
        shutil.rmtree(app.outdir)
        Path(app.outdir).mkdir()
        return env.found_docs
    if app.config.book_changed is not None:
        app.book_partly = True
        env.toc_fignumbers |= app.book_numbers  # else Sphinx reads every page to number figures anew
        app.events.listeners["env-get-updated"].clear()
    return []


PLAIN = {Name, Name.Namespace, Name.Other, Punctuation, Whitespace}  # in both styles of the book


class _Code(HtmlFormatter):
    """Code without a mark on each word that looks as the text around it does: such were most of the elements of a chapter."""

    def format_unencoded(self, tokensource, outfile):
        super().format_unencoded(((Text if kind in PLAIN else kind, value) for kind, value in tokensource), outfile)


class _English(SearchEnglish):
    """Sphinx's English, which looks at each word of a passage once, not as often as it stands there."""

    def split(self, input):
        return list(dict.fromkeys(super().split(input)))


def _forget_words(app):
    """Forget the words that no page has any longer, which Sphinx keeps in its index with an empty list of pages."""
    if app.builder.name == "html":
        for words in (app.builder.indexer._mapping, app.builder.indexer._title_mapping):
            for word in [word for word, pages in words.items() if not pages]:
                del words[word]
    return []


def setup(app):
    """Finish each page as it is written."""
    app.add_config_value("book_changed", None, "")
    app.add_search_language(_English)
    PygmentsBridge.html_formatter = _Code
    app.connect("config-inited", _leave_other_theme, priority=999)
    app.connect("env-get-outdated", _to_read)
    app.connect("env-updated", _to_write, priority=999)
    app.connect("builder-inited", _prepare, priority=100)
    app.connect("html-page-context", _spare_navigation, priority=400)
    app.connect("html-page-context", _add_navigation, priority=600)
    app.connect("html-collect-pages", _forget_words)
    app.connect("html-page-context", _finish, priority=900)
    after_whole(app, _write_citations)
    app.connect("build-finished", _merge_sheets, priority=900)
    after_whole(app, _write_policy, priority=900)
    for sheet in ("book.css", "print.css"):
        app.add_css_file(sheet)
    app.add_js_file("page.js", loading_method="defer")
