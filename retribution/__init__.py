"""Data and charts of the book *So Much for Iranian Retribution?*

``load()`` gives the dataset; ``charts`` draws it; ``tell()`` hands a computed number to the prose.
"""

from .dataset import DATA, DataError, Dataset, load

__all__ = ["DATA", "DataError", "Dataset", "load", "tell"]


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
