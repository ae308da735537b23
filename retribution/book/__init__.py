"""What the build adds to Sphinx: figures, the line under each title, the register, and nothing from outside."""

from . import cards, cite, figures, pages, register, table


def setup(app):
    """Connect each module; called by Sphinx."""
    for module in (cards, cite, figures, pages, register, table):
        module.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
