"""Run notebooks side by side, and let their charts be drawn meanwhile."""

import asyncio
import atexit
import contextlib
import errno
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor, as_completed

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.readers import get_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from sqlalchemy.exc import OperationalError

from .. import palette
from .pictures import LIBRARY, are_drawn, drawing, library, pictures

TIMEOUT = 300  # seconds for a cell


def execute(notebook, folder, label, reads=os.devnull):
    """Run ``notebook`` in place, in ``folder``; return None, or what stopped it, which begins with ``label``.

    A forked kernel writes into the file ``reads`` which parts of the dataset it was asked for.
    """
    limit = notebook.metadata.get("execution", {}).get("timeout", TIMEOUT)  # as jupyter-cache reads it
    for last in (False, False, True):
        client = NotebookClient(notebook, timeout=limit, record_timing=False, shutdown_kernel="immediate", resources={"metadata": {"path": str(folder)}})
        try:
            asyncio.run(client.async_execute(env=os.environ | {"READS": str(reads)}))  # which ends with all that it has begun
        except CellTimeoutError:
            return f"{label}: a cell did not end within {limit} seconds, the limit for each; its kernel was stopped. Mend the cell, or raise the limit (CONTRIBUTING.md)"
        except CellExecutionError as error:
            return f"{label}: {error.ename}: {error.evalue}\n{error.traceback}"
        except RuntimeError as error:  # nbclient has several for a kernel that is gone
            atexit.unregister(client._cleanup_kernel)  # it has been, and would fail
            if last or "kernel_info" not in str(error):
                return f"{label}: its kernel died before the end ({error}), as it does where memory is short or somebody ends it; build again"
        else:
            return None  # else it died before any cell: a port that was free is another's by the time that a kernel asks for it


@contextlib.contextmanager
def _disk():
    """Raise what a database says of the disk as what files say of it."""
    try:
        yield
    except OperationalError as error:
        raise OSError(errno.ENOSPC, str(error.orig)) from error


@_disk()
def run_into(build, paths, stale, drawer):
    """Run the notebooks in ``paths`` that the cache in ``build`` lacks, and those in ``stale``, each in an empty folder; let ``drawer`` draw their charts.

    They are started in their order, so that the longest should come first. Returns a line for each that failed, and
    the parts of the dataset that each of the others read.
    """
    os.environ["JUPYTER_DEFAULT_PROVISIONER_NAME"] = "forked"
    os.environ["IPYTHONDIR"] = str(build / "ipython")  # not the user's, who may have settings there, or no home
    cache = get_cache(build / ".jupyter_cache")
    ready, lacking = [], {}
    for path in paths:
        notebook = get_reader({"name": "nbformat" if path.suffix == ".ipynb" else "myst_nb_md", "type": "plugin"})(str(path))
        try:
            if path in stale:
                cache.remove_cache(cache.match_cache_notebook(notebook).pk)
            ready.append(cache.merge_match_into_notebook(notebook)[1])
        except KeyError:
            lacking[path] = notebook

    def run(path):
        with tempfile.TemporaryDirectory() as empty, tempfile.NamedTemporaryFile("r", encoding="utf-8") as noted:
            return execute(lacking[path], empty, path, noted.name), noted.read().split()

    failures, reads = [], {}
    if not (build / "pictures" / LIBRARY).exists():
        drawing.append(drawer.submit(library, build / "pictures"))

    def draw(notebook):
        drawing.extend(drawer.submit(pictures, spec, build / "pictures") for spec in _charts(notebook) if not are_drawn(spec, build / "pictures"))

    with ThreadPoolExecutor(2 * os.cpu_count()) as kernels:  # one that starts or ends mostly waits
        running = {kernels.submit(run, path): path for path in lacking}
        for notebook in ready:
            draw(notebook)
        for done in as_completed(running):
            path = running[done]
            failed, reads[path] = done.result()
            if failed:
                failures.append(failed)
            else:
                cache.cache_notebook_bundle(CacheBundleIn(lacking[path], str(path), data={"execution_seconds": 0}), check_validity=False, overwrite=True)
                draw(lacking[path])
    return failures, reads


def _charts(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [spec for output in outputs if (spec := output.get("data", {}).get(palette.MIME)) and "usermeta" in spec]
