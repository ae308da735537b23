"""Build the book from the newest releases of what it depends on, and say what would change: ``make canary``.

All is done on a copy of the sources in ``_build/canary``, whose pins are those of the newest releases, but for what
``HELD`` keeps back; the locked environment and the book stay as they are.
"""

import collections
import filecmp
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from same import files

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "book"))
from small import copied  # noqa: E402

BUILD = Path(os.environ.get("BUILD", ROOT / "_build")).absolute()
CANARY = BUILD / "canary"
HELD = {"jupyter-book": ",<2"}  # its second version is another program, without Sphinx


def run(*command, **options):
    """Return what a command prints; where it fails, end with all that it said."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{(done.stdout + done.stderr)[-4000:]}\nWith the newest releases this fails: {' '.join(map(str, command))[:200]}")
    return done.stdout


def main():
    shutil.rmtree(CANARY, ignore_errors=True)
    sources = CANARY / "sources"
    copied(sources, copy_function=shutil.copyfile)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    pins = dict(pin.split("==") for group in (project["dependencies"], *project["optional-dependencies"].values()) for pin in group)
    python = CANARY / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", CANARY / "venv")
    run(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "uv")
    install = python, "-m", "uv", "pip", "install", "-q", "-p", python
    run(*install, "--upgrade", *(f"{name}>={pin}{HELD.get(name, '')}" for name, pin in pins.items()))
    new = {package["name"]: package["version"] for package in json.loads(run(python, "-m", "uv", "pip", "list", "-p", python, "--format", "json"))}
    now = {name: new[name.lower().replace("_", "-")] for name in pins}
    for name in pins:
        text = text.replace(f'"{name}=={pins[name]}"', f'"{name}=={now[name]}"')
    (sources / "pyproject.toml").write_text(text, encoding="utf-8")
    run(*install, "--no-deps", "--no-build-isolation", "-e", sources)
    locked = {part.metadata["Name"].lower().replace("_", "-"): part.version for part in importlib.metadata.distributions()}
    moved = [f"{name} {pins[name]} to {now[name]}" for name in pins if now[name] != pins[name]]
    others = [name for name, version in new.items() if name in locked and locked[name] != version and name not in {pin.lower() for pin in pins}]
    print(f"Newer than pyproject.toml has: {', '.join(moved) or 'nothing'}; and {len(others)} of what these need: {', '.join(others)}", flush=True)
    run(python, "-m", "retribution.book", cwd=sources, env=os.environ | {"BUILD": str(CANARY / "_build"), "PYTHONPATH": str(sources)})

    here, there = BUILD / "html", CANARY / "_build" / "html"
    both = files(here) & files(there)
    change = {"would change": filecmp.cmpfiles(here, there, both, shallow=False)[1], "would be new": files(there) - both, "would go": files(here) - both}
    print(f"It builds. Of {len(files(here))} files, " + "; ".join(f"{words}: {len(paths)}{kinds(paths)}" for words, paths in change.items()) + f". Compare {there}")


def kinds(paths):
    count = collections.Counter(Path(path).suffix or Path(path).name for path in paths)
    return f" ({', '.join(f'{number} {kind}' for kind, number in count.most_common())})" if count else ""


if __name__ == "__main__":
    sys.exit(main())
