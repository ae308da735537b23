"""Run notebooks side by side, each in a kernel that is forked from one process: what all of them import is imported once."""

import asyncio
import atexit
import contextlib
import errno
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import tempfile
from threading import Thread
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.readers import get_reader
from jupyter_client.provisioning import LocalProvisioner
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from sqlalchemy.exc import OperationalError

from .. import charts
from .pictures import are_drawn, pictures

TIMEOUT = 300  # seconds for a cell
CONTEXT = multiprocessing.get_context("forkserver")


def warm():
    """Start the process that kernels are forked from, so that it imports while others work."""
    CONTEXT.set_forkserver_preload(["retribution.book.kernel"])
    multiprocessing.forkserver.ensure_running()


class _Fork(CONTEXT.Process):
    """A forked process with the methods of ``subprocess.Popen`` that a provisioner calls."""

    stdin = stdout = stderr = None

    def poll(self):
        return self.exitcode

    def wait(self):
        self.join()
        return self.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)


def _serve(*arguments):
    from .kernel import serve

    _follow()
    serve(*arguments)


def _follow():
    """Let this process and what it starts end when the build does, however that ends; called in a fork."""
    os.setsid()  # what a terminal sends to the build is the build's to pass on
    Thread(target=lambda: (multiprocessing.parent_process().join(), os.killpg(0, signal.SIGKILL)), daemon=True).start()


class Forked(LocalProvisioner):
    """A provisioner of forked kernels (entry point ``jupyter_client.kernel_provisioners``)."""

    async def launch_kernel(self, cmd, **kwargs):
        """Fork a kernel that serves the connection file named in ``cmd``; return how to connect."""
        self.process = _Fork(target=_serve, args=(cmd[cmd.index("-f") :], kwargs["cwd"], kwargs["env"]), daemon=True)
        self.process.start()
        self.pid = self.pgid = self.process.pid
        return self.connection_info


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
def run_into(build, paths, stale):
    """Run the notebooks in ``paths`` that the cache in ``build`` lacks, and those in ``stale``, each in an empty folder, and draw their charts.

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
    with ThreadPoolExecutor(2 * os.cpu_count()) as kernels, ProcessPoolExecutor(os.cpu_count(), CONTEXT, _follow) as drawer:  # a kernel that starts or ends mostly waits
        def draw(notebook):
            return [drawer.submit(pictures, spec, build / "pictures") for spec in _charts(notebook) if not are_drawn(spec, build / "pictures")]

        drawn = [future for notebook in ready for future in draw(notebook)]
        running = {kernels.submit(run, path): path for path in lacking}
        for done in as_completed(running):
            path = running[done]
            failed, reads[path] = done.result()
            if failed:
                failures.append(failed)
            else:
                cache.cache_notebook_bundle(CacheBundleIn(lacking[path], str(path), data={"execution_seconds": 0}), check_validity=False, overwrite=True)
                drawn += draw(lacking[path])
        for future in drawn:
            future.result()
    return failures, reads


def _charts(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [spec for output in outputs if (spec := output.get("data", {}).get(charts.MIME)) and "usermeta" in spec]
