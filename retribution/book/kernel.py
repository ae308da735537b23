"""What every kernel of the book imports and reads; the process that forks them does so once."""

import contextlib
import dataclasses
import gc
import os

os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")  # else a debugger, which a kernel loads and nobody uses, says things

import IPython.core.completer  # noqa: F401
import ipykernel.debugger  # noqa: F401
import ipykernel.ipkernel  # noqa: F401
import ipykernel.kernelapp
import krippendorff  # noqa: F401
import pandas as pd
import scipy.stats  # noqa: F401

import retribution.charts
import retribution.simulations  # noqa: F401


def _note_reads(path):
    """Write into a file which parts of the dataset a notebook asks for; its checks are the build's, which has made them."""
    parts, noted = {field.name for field in dataclasses.fields(retribution.Dataset)}, set()

    def get(data, name):
        if name in parts and name not in noted:
            noted.add(name)
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{name}\n")
        return object.__getattribute__(data, name)

    retribution.Dataset.__getattribute__ = get


def serve(arguments, cwd, env):
    """Be a kernel; called in a fork."""
    os.environ.update(env)
    os.chdir(cwd)
    _note_reads(env["READS"])
    pd.set_option("display.max_columns", 20)  # as pandas has it where IPython is there first; Altair names views by what a frame prints
    ipykernel.kernelapp.IPKernelApp.launch_instance(argv=[*arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])  # without which it stops


with contextlib.suppress(retribution.DataError):  # which a notebook would raise again
    retribution.load()
gc.collect()
gc.freeze()  # a fork shares what the collector leaves alone
