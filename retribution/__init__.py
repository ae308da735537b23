"""Data and charts of the book *So Much for Iranian Retribution?*

``load()`` gives the dataset; ``charts`` draws it; ``tell()`` hands a computed number to the prose, ``decides()`` a
list of claims with their verdicts; ``plain()`` keeps text of the data from being read as markup.
"""

import re

from .dataset import DATA, DataError, Dataset, load

__all__ = ["DATA", "DataError", "Dataset", "decides", "load", "plain", "tell"]


def tell(**numbers):
    """Make each keyword available to the chapter's prose as ``{glue:text}`name```.

    The same output as ``myst_nb.glue(name, value, display=False)``, without importing Sphinx into the kernel.
    Values are shown as given, so format them first.
    """
    from IPython.display import display

    prefix = "application/papermill.record/"
    for name, value in numbers.items():
        display(
            {prefix + "text/plain": repr(str(value))},
            raw=True,
            metadata={"scrapbook": {"name": name, "mime_prefix": prefix}},
        )


def plain(text):
    """Return ``text`` so that Markdown shows it as it is; pandas and HTML escape their own."""
    return re.sub(r"([\\`*_{}\[\]<>|~$&])", r"\\\1", text)


def decides(claims, *claim_ids):
    """Return the list of ``claim_ids`` for the top of a chapter: what each says, both verdicts, the confidence.

    Raises ``KeyError`` where ``claims`` lacks one.
    """
    from IPython.display import Markdown

    rows = claims.set_index("claim_id").loc[list(claim_ids)]
    return Markdown("\n".join(
        f"- {{claim}}`{row.Index}` {plain(row.claim)} **On the day {row.verdict_day}, in hindsight {row.verdict_hindsight}** (confidence {row.confidence})."
        for row in rows.itertuples()
    ))
