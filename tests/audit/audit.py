"""Measure the built book: ``python tests/audit/audit.py [PAGE ...]``; every page where none is named.

HTML by vnu, CITATION.cff by cffconvert, accessibility by axe in both themes on phone and desktop, and Lighthouse on
phone and desktop from a server that compresses. Prints what falls short and a table, keeps the table in results.csv,
and returns 1 where anything falls short. A page takes about a minute on an idle machine; a busy one spoils the times.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "book"))
from conftest import CHROMIUM, HTML, ROOT, served, violations  # noqa: E402

TOOLS = ROOT / "_build" / "audit"
RESULTS = HERE / "results.csv"
SCORES = ["performance", "accessibility", "best-practices", "seo"]
TIMES = {"largest_paint_ms": "largest-contentful-paint", "blocking_ms": "total-blocking-time", "shift": "cumulative-layout-shift", "bytes": "total-byte-weight"}
LEAST = 0.98
MOST = {"phone": {"largest_paint_ms": 2000, "blocking_ms": 50, "shift": 0}, "desktop": {"largest_paint_ms": 800, "blocking_ms": 50, "shift": 0}}


def prepared():
    """Put Lighthouse and vnu in place; ends with a word where this machine lacks something."""
    lacking = [name for name, found in {"Chromium": CHROMIUM, "Node": shutil.which("node"), "npm": shutil.which("npm"), "Java": shutil.which("java")}.items() if not found]
    if lacking:
        sys.exit(f"The audit needs {', '.join(lacking)}, and this machine has none; on Debian: apt-get install chromium nodejs npm default-jre-headless")
    if not HTML.exists():
        sys.exit("There is no book to measure: make book")
    TOOLS.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_bytes()
    if not (TOOLS / "ready").exists() or (TOOLS / "ready").read_bytes() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, TOOLS)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=TOOLS, check=True)
        (TOOLS / "ready").write_bytes(lock)


def validated(names):
    """Return vnu's errors, as lines."""
    jar = TOOLS / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"
    done = subprocess.run(["java", "-jar", jar, "--errors-only", "--format", "gnu", "--exit-zero-always", "--stdout", *(HTML / name for name in names)], capture_output=True, text=True, check=True)
    return [line.replace(f"file:{HTML}/", "") for line in done.stdout.splitlines()]


def cited():
    """Return what cffconvert finds wrong with CITATION.cff; it runs apart, since it wants an older jsonschema than the rest."""
    apart = TOOLS / "cffconvert-2.0.0"
    if not (apart / "bin" / "cffconvert").exists():
        subprocess.run([sys.executable, "-m", "venv", apart], check=True)
        subprocess.run([apart / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "cffconvert==2.0.0"], check=True)
    done = subprocess.run([apart / "bin" / "cffconvert", "--validate", "-i", ROOT / "CITATION.cff"], capture_output=True, text=True)
    return [] if done.returncode == 0 else [(done.stdout + done.stderr).strip()]


def accessible(names, address):
    """Return axe's violations, as lines."""
    found = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for name in names:
            for scheme in ("light", "dark"):
                for width in (390, 1280):
                    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                    page.goto(f"{address}/{name}")
                    found += [f"{name}, {scheme}, {width} px: {rule}: {target}" for rule, target in violations(page)]
                    page.close()
    return found


def measured(name, device, address):
    """Return a page's row by Lighthouse: the best of up to three runs, since a busy machine only ever adds time."""
    command = ["node", TOOLS / "node_modules" / "lighthouse" / "cli" / "index.js", f"{address}/{name}", "--quiet", "--output=json", "--chrome-flags=--headless=new --no-sandbox"]
    command += ["--preset=desktop"] if device == "desktop" else []
    rows = []
    while len(rows) < 3 and not (rows and not short(rows[-1])):
        done = subprocess.run(command, env=os.environ | {"CHROME_PATH": CHROMIUM}, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"Lighthouse failed on {name}:\n{done.stderr}")
        report = json.loads(done.stdout)
        row = {"page": name, "device": device} | {score: report["categories"][score]["score"] for score in SCORES}
        rows.append(row | {column: round(report["audits"][audit]["numericValue"] + 0.0, 2 if column == "shift" else None) for column, audit in TIMES.items()})
    return max(rows, key=lambda row: (not short(row), row["performance"]))


def short(row):
    """Return where a row falls short of what the book asks of itself."""
    return [f"{score} {row[score]}" for score in SCORES if row[score] < LEAST] + [f"{column} {row[column]}" for column, most in MOST[row["device"]].items() if row[column] > most]


def main():
    prepared()
    every = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
    names = [name if name.endswith(".html") else f"{name}.html" for name in sys.argv[1:]] or every
    if unknown := set(names) - set(every):
        sys.exit(f"The book has no page {', '.join(sorted(unknown))}")
    failures = validated(names)
    print(f"vnu: {len(failures)} errors on {len(names)} pages", *failures, sep="\n", flush=True)
    found = cited()
    print(f"cffconvert: {len(found)} errors in CITATION.cff", *found, sep="\n", flush=True)
    failures += found
    with served() as address:
        found = accessible(names, address)
        print(f"axe: {len(found)} violations on {len(names)} pages in 4 variants", *found, sep="\n", flush=True)
        failures += found
        rows = {(row["page"], row["device"]): row for row in csv.DictReader(open(RESULTS, encoding="utf-8"))} if RESULTS.exists() else {}
        for name in names:
            for device in MOST:
                row = rows[name, device] = measured(name, device, address)
                failures += [f"{name}, {device}: {word}" for word in short(row)]
                print(*row.values(), "| " + ", ".join(short(row)) if short(row) else "", flush=True)
                with open(RESULTS, "w", encoding="utf-8", newline="") as file:
                    writer = csv.DictWriter(file, list(row), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows[key] for key in sorted(rows) if key[0] in every)
    print(f"{len(failures)} shortcomings" if failures else "Nothing falls short.")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
