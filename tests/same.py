"""Build the book once more for each Python at hand, in other surroundings, and compare every file with the book built here: ``make same``.

Each build has an environment of its own, set up from the lock, and takes the sources from an archive without git
history in a folder that may not be written. It finds no home, has other fonts, language, time zone and hash seed, and
another user where this one is root and others may run that Python. PYTHONS names the Pythons; by default all from 3.11
to 3.14 that are on the path or that pyenv has.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HTML = Path(os.environ.get("BUILD", ROOT / "_build")).absolute() / "html"
NOBODY = 65534
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
FONTS = '<?xml version="1.0"?><fontconfig><dir>{}</dir></fontconfig>'


def pythons():
    """Return a Python of each version, by what it says of its version."""
    asked = os.environ.get("PYTHONS", "").split()
    found = asked or [path for version in VERSIONS for path in (shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))) if path]
    said = {path: subprocess.run([path, "-c", "import platform, sys; print(platform.python_version())"], capture_output=True, text=True).stdout.strip() for path in found}
    return {version: path for path, version in said.items() if version}


def files(tree):
    return {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}


def build(folder, python):
    """Build the book in ``folder``; return who built it, the exit status and what was said."""
    subprocess.run(f"mkdir {folder}/sources && git archive HEAD | tar x -C {folder}/sources && chmod -R a-w {folder}/sources && mkdir {folder}/fonts", shell=True, cwd=ROOT, check=True)
    (folder / "fonts.conf").write_text(FONTS.format(folder / "fonts"), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name == "PATH" or name.startswith(("PIP_", "UV_", "SSL_"))}
    environment |= {"HOME": os.devnull, "FONTCONFIG_FILE": str(folder / "fonts.conf"), "TZ": "Asia/Tehran", "LC_ALL": "POSIX", "PYTHONHASHSEED": "4711"}
    command, who, options = ["make", "-C", str(folder / "sources"), "book", f"PYTHON={python}", f"VENV={folder}/venv", f"BUILD={folder}/_build"], "this user", {}
    if os.geteuid() == 0:
        try:
            subprocess.run([python, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
            who, options = "another user", {"user": NOBODY, "group": NOBODY, "extra_groups": []}
            os.chown(folder, NOBODY, NOBODY)
        except PermissionError:
            command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]  # without which root may write everywhere
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return who, done.returncode, done.stdout


def main():
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True, check=True).stdout:
        return "What is not committed is not in an archive: commit it first"
    here, unlike = files(HTML), 0
    for version, python in sorted(pythons().items()):
        folder = Path(tempfile.mkdtemp(prefix="same-"))
        folder.chmod(0o755)
        who, failed, said = build(folder, python)
        tree = folder / "_build" / "html"
        there = files(tree)
        differ = sorted((here ^ there) | set(filecmp.cmpfiles(HTML, tree, here & there, shallow=False)[1]))
        found = f"not built: {said[-2000:]}" if failed else f"{len(there)} files, " + (f"{len(differ)} differ or are in one tree only, in {tree}: {', '.join(differ[:10])}" if differ else "all the same")
        print(f"Python {version}, {who}, no home, no fonts, read-only sources without history: {found}", flush=True)
        unlike += bool(failed or differ)
        if not (failed or differ):
            subprocess.run(["chmod", "-R", "u+w", folder])
            shutil.rmtree(folder)
    print(f"{len(pythons())} builds compared with {HTML}: {unlike or 'none'} unlike it")
    return int(bool(unlike))


if __name__ == "__main__":
    sys.exit(main())
