"""Kernels, and what draws charts, as forks of one process: what all of them import is imported once."""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from threading import Thread

from jupyter_client.provisioning import LocalProvisioner

CONTEXT = multiprocessing.get_context("forkserver")


def warm():
    """Start the process that is forked, so that it imports while others work."""
    CONTEXT.set_forkserver_preload(["retribution.book.kernel", __name__])
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
    os.setpgid(0, 0)  # what a terminal sends to the build is the build's to pass on
    Thread(target=lambda: (multiprocessing.parent_process().join(), os.killpg(0, signal.SIGKILL)), daemon=True).start()


def _follow_behind():
    _follow()
    os.nice(10)  # a kernel, or a page, keeps others waiting; a picture is wanted last


def drawer():
    """Return an executor that draws on every core that nothing else wants."""
    return ProcessPoolExecutor(os.cpu_count(), CONTEXT, _follow_behind)


class Forked(LocalProvisioner):
    """A provisioner of forked kernels (entry point ``jupyter_client.kernel_provisioners``)."""

    async def launch_kernel(self, cmd, **kwargs):
        """Fork a kernel that serves the connection file named in ``cmd``; return how to connect."""
        self.process = _Fork(target=_serve, args=(cmd[cmd.index("-f") :], kwargs["cwd"], kwargs["env"]), daemon=True)
        self.process.start()
        self.pid = self.pgid = self.process.pid
        return self.connection_info
