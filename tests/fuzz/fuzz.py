"""Damage a small package in thousands of ways and see what ``load`` makes of it: ``python tests/fuzz/fuzz.py [mutants] [first]``.

A finding is an exception other than ``DataError``, a load beyond the time limit, a damage that frictionless or
``hidden`` finds and ``load`` does not or the other way round, a value read otherwise than frictionless reads it, a
message that does not say where, or a rule that was broken at a place and did not fire there. Exit status 1 where there
is one, or where a rule never fired. A whole run writes ``fired.csv``: in how many mutants each rule fired at each place.

Which rules are checked by whom:

- frictionless and ``load``: those in ``SHARED``. What a cell of a type may look like is narrower here, see
  ``OTHERWISE``; frictionless also trims the names of columns.
- ``hidden`` and ``load``, as rules of the house: ``spaces``, ``characters``, ``formula``. frictionless takes any text.
- ``load`` alone: ``ordered``, ``needs``, ``together``, ``starts``, ``oneOf``, ``anyOf``, ``allowed``, ``distinct``, which are
  not of the standard; ``path``, ``format``, ``descriptor``, where frictionless is laxer (it follows links, opens archives,
  guesses encodings); ``hash``, ``rows``, which are withheld from frictionless since most mutants are refreshed. What holds
  these is that each break of a rule by ``break_rule`` and ``archive`` must fire at its place.
"""

import collections
import csv
import json
import multiprocessing
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import unicodedata
import warnings
from pathlib import Path

import frictionless
import pandas as pd
from damage import DAMAGES, break_rule, cell, raw, rules
from package import cut, read

from retribution.dataset import DataError, load, refresh

MUTANTS = 10_000
FIRED = Path(__file__).with_name("fired.csv")
LIMIT = 5  # seconds of the processor for one load; a wait without end is cut off after twelve times as many by the clock
MEMORY = 4 << 30  # bytes of address space: a file without end must not fill the machine
SHARED = {"type", "required", "unique", "pattern", "minimum", "maximum", "maxLength", "enum", "primaryKey", "foreignKeys", "fields"}  # what both check
COMMAS = {"csv": {"delimiter": ",", "quoteChar": '"', "lineTerminator": "\n", "doubleQuote": True, "skipInitialSpace": False}}  # or frictionless guesses
LINE = re.compile(r".+: .*\(rule: (\w+)\)")
# Texts that frictionless reads as a value and the house does not, so that a cell has one way to be written
OTHERWISE = re.compile(r"[+-]?(nan|inf(inity)?)|true|false|1|0|[+-]?[\d_]*\.?[\d_]*(e[+-]?\d+)?|\d{4}-\d{1,2}-\d{1,2}", re.IGNORECASE)


class Late(BaseException):
    pass


def late(*_):
    raise Late


class Bench:
    """A folder to damage, and two readers of it: ``load`` and frictionless."""

    def __init__(self, base):
        self.base, self.folder = base, Path(tempfile.mkdtemp()) / "package"
        self.reset()
        whole = json.loads((base / "datapackage.json").read_text(encoding="utf-8"))
        self.places = rules(base)
        self.names = {r["path"]: r["name"] for r in whole["resources"]}
        self.resources = {r["name"]: r for r in whole["resources"]}
        for r in whole["resources"]:
            for key in ("hash", "bytes", "rows"):  # as refreshed
                r.pop(key, None)

    def reset(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.base, self.folder)

    def frictionless(self, name):
        """Return the table as frictionless sees it, with the tables that it refers to and no others, for speed."""
        table = self.resources[name]
        known = {key["reference"]["resource"] for key in table["schema"].get("foreignKeys", [])} - {""}
        bare = [{**self.resources[k], "schema": {**self.resources[k]["schema"], "foreignKeys": []}} for k in known]
        package = frictionless.Package.from_descriptor({"name": "x", "resources": [table | {"dialect": COMMAS}, *bare]}, basepath=str(self.folder))
        return package.get_resource(name)

    def other_opinion(self, names):
        """Return what frictionless finds wrong with the tables, None where it breaks down itself."""
        try:
            return [e for name in names for e in self.frictionless(name).validate().flatten(["type", "rowNumber", "fieldName", "note"])]
        except Exception:
            return None

    def place(self, line):
        """Return where a message says that a rule fired, as ``rules`` lists it (``?`` for a file that the package lacks), None for a message in another form."""
        if not (rule := LINE.fullmatch(line)):
            return None
        path, column = re.match(r"(.+?)(?:, row \d+)?(?:, column (.*?))?: ", line).groups()
        name = self.names.get(path, "" if path == "datapackage.json" else "?")
        known = [f["name"] for f in self.resources.get(name, {}).get("schema", {"fields": []})["fields"]]
        return name, "" if column is None else column if column in known else "*", rule[1]

    def hidden(self, name):
        """Return a cell of the table that holds what cannot be seen, or what a spreadsheet would run."""
        texts = [f["type"] == "string" for f in self.resources[name]["schema"]["fields"]]
        for row in read(self.folder / self.resources[name]["path"])[1:]:
            for value, text in zip(row, texts):
                unseen = any(unicodedata.category(c)[0] in "CZ" and c != " " for c in value)
                if unseen or value[:1] == " " or value[-1:] == " " or unicodedata.normalize("NFC", value) != value:
                    return value
                if text and value[:1] in tuple("=@+-＝＠＋－") and not re.fullmatch(r"[+-][0-9]+(\.[0-9]+)?", value):
                    return value
        return None

    def refer(self, name):
        """Return the tables whose references may break where this one is damaged: none while it keeps its keys."""
        try:
            keys = [{row[0] for row in read(folder / self.resources[name]["path"])} for folder in (self.base, self.folder)]
        except Exception:
            keys = [0, 1]
        return [] if keys[0] == keys[1] else [r["name"] for r in self.resources.values() if any(k["reference"]["resource"] == name for k in r.get("schema", {}).get("foreignKeys", []))]

    def otherwise_read(self, data, path):
        """Return a value that frictionless reads from the file and ``load`` otherwise."""
        name = self.names[path]
        if name.startswith("geo"):
            return None
        for row, ours in zip(self.frictionless(name).read_rows(), getattr(data, name).to_dict("records")):
            for column, cell in row.items():
                value = ours[column]
                if pd.isna(value) != (cell is None) if (name, column) != ("reports", "origin") else False:  # filled in by load
                    return f"{path}, {column}: {cell!r} is read as {value!r}"
                if cell is not None and (value.date() if isinstance(value, pd.Timestamp) else value) != (float(cell) if isinstance(value, float) else cell):
                    return f"{path}, {column}: {cell!r} is read as {value!r}"
        return None


def judge(bench, seed):
    """Return what became of mutant ``seed``: damage, what, outcome, finding or None, rules fired, seconds."""
    warnings.simplefilter("ignore")
    csv.field_size_limit(1 << 17)  # as Python has it; frictionless lifts it for the whole process
    chance = random.Random(seed)
    damage = DAMAGES[seed % len(DAMAGES)]
    bench.reset()
    again = chance.random() > 0.08  # most are given the right hash, so that the damage meets the other rules
    if damage is break_rule:  # each place in turn
        number = seed // len(DAMAGES) * DAMAGES.count(break_rule) + seed % len(DAMAGES)
        paths, said, *must = damage(bench.folder, chance, bench.places[number % len(bench.places)])
        again = must[0][2] not in ("hash", "rows")  # what refreshing would mend
    else:
        paths, said, *must = damage(bench.folder, chance)
    if not must and chance.random() < 0.1 and "datapackage.json" not in paths and all((bench.folder / path).is_file() for path in paths) and damage is not raw:
        more, also = cell(bench.folder, chance)
        paths, said = [*{*paths, *more}], f"{said}; {also}"
    finding, fired, told, problems, data = None, set(), [], [], None
    begun = time.process_time()
    for sign, clock, limit in ((signal.SIGPROF, signal.ITIMER_PROF, LIMIT), (signal.SIGALRM, signal.ITIMER_REAL, 12 * LIMIT)):
        signal.signal(sign, late)
        signal.setitimer(clock, limit)
    try:
        try:
            if again:
                refresh(bench.folder)
        except DataError as error:
            told = error.problems
        data = load(bench.folder)
    except DataError as error:
        problems = error.problems
    except Late:
        finding = "hangs"
    except BaseException as error:
        where = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        finding = f"traceback: {type(error).__name__}: {str(error)[:60]} ({' > '.join(where[1:4])})"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
    seconds = time.process_time() - begun
    for line in told:
        if not LINE.fullmatch(line):
            finding = finding or f"message of refresh: {line[:200]!r}"
    for line in problems:
        if (place := bench.place(line)) is None or (len(line) > 700 and "datapackage.json" not in paths):
            finding = finding or f"message: {line[:200]!r}"
        else:
            fired.add(place)
    if problems and not finding and "datapackage.json" not in paths and not any(path in line for path in paths for line in problems) and not {r for _, _, r in fired} & {"foreignKeys", "descriptor", "starts"}:
        finding = f"message: none names {paths}: {problems[0][:200]}"
    whole = os.path.realpath(bench.folder)
    regular = all((bench.folder / path).is_file() and os.path.realpath(bench.folder / path) == os.path.join(whole, path) for path in paths)
    if not finding and regular and "datapackage.json" not in paths:
        errors, ours = None, {rule for _, _, rule in fired}
        damaged = {bench.names[path] for path in paths} - {"geo-land", "geo-iraq-governorates"}
        if data is not None:
            errors = bench.other_opinion([*damaged, *(n for name in damaged for n in bench.refer(name))])
        elif ours <= SHARED:
            errors = bench.other_opinion({table for table, _, _ in fired})
        if data is not None and (held := [value for name in sorted(damaged) if (value := bench.hidden(name)) is not None]):
            finding = f"accepted, though it holds {held[0][:80]!r}"
        elif data is not None and errors:
            finding = f"accepted, though frictionless finds {errors[0]}"
        elif data is not None and errors is not None:
            finding = next(filter(None, (bench.otherwise_read(data, path) for path in paths)), None)
        elif problems and errors == [] and ours <= SHARED:
            texts = [m[1] for line in problems if (m := re.search(r": '(.*)' is not (?:a |true|one of -?\d)", line))]
            otherwise = ours <= {"type", "enum"} and len(texts) == len(problems) and all(OTHERWISE.fullmatch(t) for t in texts)
            trimmed = ours == {"fields"} and any(label != label.strip() for path in paths for label in read(bench.folder / path)[0])
            if not otherwise and not trimmed:
                finding = f"refused, though frictionless finds nothing: {problems[0][:200]}"
    if data is not None and not again and not finding and any((bench.folder / p).is_file() and (bench.folder / p).read_bytes() != (bench.base / p).read_bytes() for p in paths if p != "datapackage.json"):
        finding = "accepted against the hash"
    if data is not None and not finding and not regular:
        finding = "accepted: not a plain file"
    if must and must[0] not in fired and not finding:
        finding = f"silent: {must[0]}; {', '.join(problems)[:200]}"
    if "datapackage.json" in paths:  # what fires is then not a rule of the descriptor, but of what has become of it
        fired = {place for place in fired if not place[0]}
    elif not finding and not fired <= {*bench.places}:
        finding = f"fired where no place is listed: {fired - {*bench.places}}"
    return damage.__name__, f"{'' if again else 'not re-hashed, '}{', '.join(paths)}: {said}", "accepted" if data is not None else "refused", finding, fired, seconds


def run(mutants, first=0, processes=None):
    """Yield seed and judgement of each mutant."""
    folder = Path(tempfile.mkdtemp()) / "base"
    cut(folder)
    with multiprocessing.Pool(processes or os.cpu_count(), start, [folder]) as pool:
        yield from pool.imap_unordered(work, range(first, first + mutants), chunksize=20)


def start(base):
    global BENCH
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    BENCH = Bench(base)


def work(seed):
    return seed, judge(BENCH, seed)


def main(mutants=MUTANTS, first=0):
    begun = time.perf_counter()
    fired, counts, findings, slowest = collections.Counter(), collections.Counter(), [], (0, 0)
    for seed, (damage, said, outcome, finding, rule, seconds) in run(mutants, first):
        counts[damage, outcome] += 1
        if sum(counts.values()) % 500 == 0:
            print(f"{sum(counts.values())} of {mutants}, {len(findings)} findings, {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
        fired.update(rule)
        slowest = max(slowest, (seconds, seed))
        if finding:
            findings.append((seed, damage, said, finding))
            print(*findings[-1], sep=" | ", file=sys.stderr, flush=True)
    out = Path("_build/fuzz")
    out.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp()) / "base"
    cut(folder)
    listed = rules(folder)
    whole = (mutants, first) == (MUTANTS, 0)
    with (FIRED if whole else out / "fired.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("rule", "table", "column", "fired"), *sorted((rule, table, column, fired[table, column, rule]) for table, column, rule in listed)])
    with (out / "findings.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("mutant", "damage", "what", "finding"), *sorted(findings)])
    silent = [rule for rule in listed if not fired[rule]]
    print(f"{'damage':<18}{'refused':>8}{'harmless':>10}")
    for damage in dict.fromkeys(d.__name__ for d in DAMAGES):
        print(f"{damage:<18}{counts[damage, 'refused']:>8}{counts[damage, 'accepted']:>10}")
    print(f"\n{'rule':<14}{'places':>8}{'mutants':>9}{'fewest':>8}")
    for name in dict.fromkeys(rule[2] for rule in listed):
        times = [fired[rule] for rule in listed if rule[2] == name]
        print(f"{name:<14}{len(times):>8}{sum(times):>9}{min(times):>8}")
    refused = sum(n for (_, outcome), n in counts.items() if outcome == "refused")
    print(f"\n{refused} refused, {mutants - refused} harmless; the slowest load {slowest[0]:.2f} s of the processor (mutant {slowest[1]})")
    for finding, number in collections.Counter(re.sub(r"\d+|'.*", "…", f[3][:110]) for f in findings).most_common(40):
        print(f"{number:>6}  {finding}")
    for table, column, rule in silent[:20]:
        print(f"never fired: {rule} of {table}.{column}")
    print(f"{mutants} mutants, {len(findings)} findings, {len(listed) - len(silent)} of {len(listed)} places of rules fired, {time.perf_counter() - begun:.0f} seconds")
    return int(bool(findings or silent))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
