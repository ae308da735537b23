"""What the build adds to Sphinx: figures, the line under each title, citations, the register, its versions and feeds, and nothing from outside."""


def ignored(tree):
    """Return the names of files and folders in ``tree`` that are none of its sources, as patterns: what ``.gitignore`` there lists, and Git's own."""
    return [".git", *(line.rstrip("/") for line in (tree / ".gitignore").read_text(encoding="utf-8").split())]


def put(path, text):
    """Write a file that is there at once and whole, or not at all."""
    new = path.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def after_whole(app, work, **options):
    """Let Sphinx call ``work`` with the app once every page has been written; not where a build has left most as they are."""
    app.connect("build-finished", lambda app, error: error or app.builder.format != "html" or app.book_partly or work(app), **options)


def setup(app):
    """Connect each module; called by Sphinx."""
    from . import cards, cite, feeds, figures, formats, pages, register, table, versions  # here, for those who need one module and no Sphinx

    for module in (cards, cite, feeds, figures, formats, pages, register, table, versions):
        module.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
