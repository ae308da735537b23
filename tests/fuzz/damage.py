"""Ways to damage a package: ``DAMAGES`` lists functions of a folder and a random generator that say what they did.

Each returns the files touched, whatever tells the damage apart in a report, and, where one must fire, the place of a
rule: (table, column, rule) as ``rules`` lists them.
"""

import bz2
import functools
import gzip
import io
import json
import lzma
import os
import re
import shutil
import zipfile

from package import read, write

from retribution.dataset import refresh

CELLS = [
    *["", " ", "  x", "x ", "\u00a0", "x\u00a0", "\t", "x\ty", "x\ny", "x\ry", "x\r\ny", "x\0y", "\0", "\x1b[31mx", "\x7f", "\x85"],
    *["x\u200by", "\u200bx", "x\u200d", "\u2060", "\ufeffx", "\u202ex", "x\u202c", "\u2066x\u2069", "\u200fx", "\u00adx", "\u2028", "\ud7ff", "\ue000", "\uffff", "\U0010ffff", "e\u0301"],
    *["=1+1", "+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x","y")', "\t=1", "'=1", "|x", "%0A"],
    *["0000-01-01", "0001-01-01", "1677-09-20", "1969-12-31", "2038-01-20", "2262-04-12", "9999-12-31", "10000-01-01", "-001-01-01", "2020-02-29", "2019-02-29", "2020-00-01", "2020-13-01", "2020-01-32", "2020-1-1"],
    *["20200101", "2020-W01-1", "2020-001", "2020-01-01T00:00:00", "2020-01-01Z", "01/02/2020", "٢٠٢٠-٠١-٠١", "2020‐01‐01", "2020-01-01\n", "NaT", "today"],
    *["nan", "NaN", "inf", "-inf", "INF", "-INF", "Infinity", "1e5", "1E400", "1e-400", "-0", "-0.0", "+5", "007", "0x10", "0b1", "1_000", "1,000", "1.", ".5", "1.5", "1..5", "--1", "٣", "３", "½", "−1", "5%", "$5"],
    *["9" * 15, "9" * 16, "9" * 400, "-" + "9" * 15, "0." + "0" * 400 + "1", "9" * 5000, "1e308", "9223372036854775808", "2147483648"],
    *["true", "True", "TRUE", "false", "0", "1", "yes", "no", "t", "None", "null", "NULL", "NA", "N/A", "-", "?", "#N/A", "#REF!"],
    *['"', '""', "'", '"x', 'x"y', "x,y", ";", "\\", "\\N", "\\u0000", "%s", "{x}", "{0}", "$(id)", "`id`", "<script>alert(1)</script>", "{{x}}", "](x)", "../x", "/etc/passwd", "file:///etc/passwd", "javascript:x"],
    *["x" * 91, "x" * 131072, "x" * 131073, "x" * 10**6, "a" * 5000 + "!", "1" * 5000 + "x", "a-" * 5000, "é" * 90, "😀" * 90, "😀", "🏴\U000e0067", "ﷺ", "سليماني"],
]
BYTES = [b"\0", b"\xff", b"\xfe\xff", b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x80", b"\x1a", b"\x80", b";", b"\t", b" ", b"\n\n", b"#", b"\\"]


ROWS = {"ordered": 1, "needs": 0, "together": 0, "starts": 0, "oneOf": 0, "anyOf": 0}  # rules that relate columns of a row, and which of them is named
# Keys of the descriptor that are no rules, those that ``rules`` reads, and none else: a new one wants a place there
KEYS = {"name", "type", "path", "title", "description", "format", "mediatype", "encoding", "bytes", "licenses", "schema", "rows", "hash", "allowed", *ROWS}
SCHEMA = {"fields", "primaryKey", "foreignKeys"}
FIELD = {"name", "type", "description", "unit", "categoriesOrdered", "constraints"}


def described(folder):
    """Return the parsed descriptor."""
    return json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))


def tables(folder):
    """Return the resources of the package that are tables."""
    return [r for r in described(folder)["resources"] if r["format"] == "csv"]


def rules(folder):
    """Return every place of a rule of the descriptor and of the house: (table, column, rule).

    The column is empty where the rule is about a whole file, ``*`` for a column that the descriptor lacks; the table
    is empty for the descriptor itself. No places, since nothing can fire there: a text of any letters has a type
    already; only a text can be a formula; a key of one column is held by its constraints ``required`` and ``unique``.
    """
    found = []
    for resource in described(folder)["resources"]:
        name, schema = resource["name"], resource.get("schema", {})
        found += [(name, "", rule) for rule in ("path", "hash", "format")]
        if not schema:
            continue
        found += [(name, "", "rows"), (name, "", "fields"), (name, "*", "fields")]
        for field in schema["fields"]:
            found += [(name, field["name"], rule) for rule in ("fields", "spaces", "characters", "formula" if field["type"] == "string" else "type", *field.get("constraints", {}))]
        if len(schema.get("primaryKey", [])) > 1:
            found.append((name, schema["primaryKey"][-1], "primaryKey"))
        found += [(name, key["fields"][0], "foreignKeys") for key in schema.get("foreignKeys", [])]
        for rule, at in ROWS.items():
            found += [(name, columns[at], rule) for columns in resource.get(rule, [])]
        if "allowed" in resource:
            found.append((name, resource["allowed"]["column"], "allowed"))
    return [*found, ("events", "event_id", "distinct"), ("", "", "path"), ("", "", "descriptor")]


def edit(folder, random, change, table=None):
    """Rewrite a table after ``change(rows, resource)``; return its path and what ``change`` returns."""
    resource = table or random.choice(tables(folder))
    rows = read(folder / resource["path"])
    said = change(rows, resource)
    write(folder / resource["path"], rows)
    return [resource["path"]], said


def put(rows, random, value, column=None, row=None):
    row = row or random.randrange(1, len(rows))
    column = random.randrange(len(rows[0])) if column is None else column
    before, rows[row][column] = rows[row][column], value(rows[row][column]) if callable(value) else value
    return f"row {row + 1}, column {rows[0][column]}: {before[:30]!r} -> {rows[row][column][:30]!r}"


def cell(folder, random):
    return edit(folder, random, lambda rows, _: put(rows, random, random.choice(CELLS)))


def near_value(folder, random):
    """Change a value into one that looks like it."""
    changes = [str.upper, str.title, lambda v: v + "\u200b", lambda v: v.replace("a", "а"), lambda v: v + " ", lambda v: v[:-1], lambda v: v + v, lambda v: v[::-1], lambda v: "\u202e" + v, lambda v: v + "\n", lambda v: v.replace("-", "\u2011"), lambda v: "-" + v, lambda v: v + ".0", lambda v: "0" + v, lambda v: v.translate({n: 0x660 + n - 48 for n in range(48, 58)})]
    return edit(folder, random, lambda rows, _: put(rows, random, random.choice(changes)))


def other_value(folder, random):
    """Put a cell of another row, column or table in its place."""
    other = read(folder / random.choice(tables(folder))["path"])
    return edit(folder, random, lambda rows, _: put(rows, random, random.choice(random.choice([rows, other]))[random.randrange(len(min(rows[0], other[0], key=len)))]))


def swap_cells(folder, random):
    """Exchange two cells of a row, so that intervals stand upside down."""

    def change(rows, resource):
        row = random.choice(rows[1:])
        pairs = resource.get("ordered") or [random.sample(rows[0], 2)]
        one, other = (rows[0].index(name) for name in random.choice(pairs))
        row[one], row[other] = row[other], row[one]
        return f"{rows[0][one]} and {rows[0][other]} exchanged"

    return edit(folder, random, change)


def break_rule(folder, random, place=None):
    """Break a rule at a place, so that it must fire there."""
    table, column, rule = place = place or random.choice(rules(folder))
    resource = next((r for r in described(folder)["resources"] if r["name"] == table), {"path": "datapackage.json"})
    if not column or rule == "fields":
        break_file(folder, random, place, resource)
        return [resource["path"]], f"{rule} of {table}.{column}", place
    field = next(f for f in resource["schema"]["fields"] if f["name"] == column)
    limits = field.get("constraints", {})
    related = next((columns for columns in resource.get(rule, []) if columns[ROWS[rule]] == column), []) if rule in ROWS else []
    moved = {row[2] for row in read(folder / "corrections.csv")}

    def change(rows, _):
        index = {name: n for n, name in enumerate(rows[0])}
        at = index[column]
        row = random.choice([n for n in range(1, len(rows)) if rows[n][at] and not (rule == "starts" and rows[n][at] in moved)])
        others = [r[at] for n, r in enumerate(rows[1:], 1) if n != row and r[at]]
        match rule:
            case "required":
                return put(rows, random, "", at, row)
            case "unique":
                return put(rows, random, random.choice(others), at, row)
            case "primaryKey":
                rows.append([*rows[row]])
            case "minimum" | "maximum":
                return put(rows, random, str(limits[rule] + random.choice([1, 90]) * (1 if rule == "maximum" else -1)), at, row)
            case "maxLength":
                return put(rows, random, random.choice(["x", "é", "😀"]) * (limits["maxLength"] + random.choice([1, 1000])), at, row)
            case "pattern":
                was = rows[row][at]
                return put(rows, random, random.choice([v for v in (was + "!", was.upper() + "_", "A" + was, was + "--", "no") if not re.fullmatch(limits["pattern"], v)]), at, row)
            case "foreignKeys":
                return put(rows, random, lambda v: random.choice([v + "!", v.upper() + "_", "A" + v, v + "--", "no"]), at, row)
            case "enum":
                return put(rows, random, lambda v: random.choice([v.upper() + "x", v + ",", "7", "other thing"]), at, row)
            case "type":
                return put(rows, random, random.choice(["x", "1.2.3", "nan", "-inf", "2020-02-30", "yes"]), at, row)
            case "formula":
                return put(rows, random, lambda v: random.choice(["=", "+A1+", "-A1-", "@", "＝", "＋", "－", "＠", "=cmd|' /C calc'!", "-1+", "+1-"]) + v, at, row)
            case "spaces":
                return put(rows, random, lambda v: random.choice([v + " ", " " + v, " ", "\u00a0" + v, v + "\n"]), at, row)
            case "characters":  # the last is unseen only in being two: no other letter need have one with its accent
                return put(rows, random, lambda v: v[:1] + random.choice(["\0", "\t", "\n", "\x7f", "\u200b", "\u202e", "\ufeff", "\u00a0", "e\u0301"]) + v[1:], at, row)
            case "ordered":
                pair = ("2020-01-02", "2020-01-01") if field["type"] == "date" else ("3", "2")
                for name, value in zip(related, pair):
                    rows[row][index[name]] = value
            case "needs" | "together":
                rows[row][index[random.choice(related) if rule == "together" else related[1]]] = ""
            case "oneOf" | "anyOf":
                value = random.choice(["", "x"]) if rule == "oneOf" else ""
                for name in related:
                    rows[row][index[name]] = value
            case "starts":
                return put(rows, random, "2017-01-01", index[related[1]], row)
            case "allowed":
                return put(rows, random, "rockets", at, row)
            case "distinct":
                twin = [*rows[next(n for n, r in enumerate(rows) if r[index["domain"]] == "proxy_attack")]]
                twin[0] += "-twin"
                rows.append(twin)
        return f"row {row + 1}"

    paths, said = edit(folder, random, change, resource)
    return paths, f"{rule} of {table}.{column}: {said}", place


def break_file(folder, random, place, resource):
    """Break at a place a rule that is about a whole file, or about the columns of a table."""
    file, (table, column, rule) = folder / resource["path"], place
    content = file.read_bytes()
    match rule:
        case "path":
            file.unlink()
        case "descriptor":
            file.write_bytes(random.choice([content[:-3], content.replace(b'"places"', b'"sites"'), content.replace(b"[", b"{", 1)]))
        case "hash":
            file.write_bytes(content + random.choice([b"\n", b" ", b"x"]))
        case "format" if file.suffix == ".geojson":
            file.write_bytes(random.choice([content[:-3], content.replace(b"[", b"[NaN,"), b"\xff" + content, b"{}", b'{"features":[]}']))
        case "format":
            file.write_bytes(random.choice([content + b'"', content + b"\xff", content + b"x\n", content.replace(b"\n", b",\n", 1), b""]))
        case "rows":
            write(file, read(file)[:-1])
            refresh(folder)
            stale = described(folder)
            next(r for r in stale["resources"] if r["name"] == table)["rows"] = resource["rows"]
            (folder / "datapackage.json").write_text(json.dumps(stale))
        case "fields":
            rows = read(file)
            if not column:
                one, other = random.sample(range(len(rows[0])), 2)
                for row in rows:
                    row[one], row[other] = row[other], row[one]
            elif column == "*":
                for n, row in enumerate(rows):
                    row.insert(0, random.choice(["x", "", "=x", "two\nlines", "\u200b"]) if n == 0 else "1")
            else:
                at, name = rows[0].index(column), random.choice([None, column.upper(), column + " ", column + "\u200b", rows[0][-1] if rows[0][-1] != column else rows[0][0]])
                for n, row in enumerate(rows):
                    if name is None:
                        del row[at]
                    elif n == 0:
                        row[at] = name
            write(file, rows)


def shape(folder, random):
    """Lose, double, exchange or misname rows and columns."""

    def change(rows, resource):
        kind, row, column = random.randrange(18), random.randrange(1, len(rows)), random.randrange(len(rows[0]))
        other = random.randrange(len(rows[0]))
        match kind:
            case 0: rows.pop(row)
            case 1: rows.insert(row, [*rows[row]])
            case 2: rows.insert(row, [])
            case 3: rows.insert(row, [*rows[0]])
            case 4: rows.insert(row, [""] * len(rows[0]))
            case 5: rows[row].pop()
            case 6: rows[row].append("")
            case 7: rows[row], rows[-1] = rows[-1], rows[row]
            case 8: rows.pop(0)
            case 9: del rows[1:]
            case 10: [r.pop(column) for r in rows]
            case 11: [r.insert(column, r[other]) for r in rows]
            case 12: [r.append("") for r in rows]
            case 13:
                for r in rows: r[column], r[other] = r[other], r[column]
            case 14: rows[0][column], rows[0][other] = rows[0][other], rows[0][column]
            case 15: rows[0][column] = random.choice([rows[0][column].upper(), " " + rows[0][column], "", "x\ny", "x" * 10**5, "\u202e" + rows[0][column], rows[0][column] + "\u200b", rows[0][other]])
            case 16: [r.append("x") for r in rows[1:]]
            case 17: rows.insert(0, [""] * len(rows[0]))
        return f"shape {kind} at row {row + 1}, columns {column}, {other}"

    return edit(folder, random, change)


def raw(folder, random):
    """Damage the bytes of a file: encoding, byte order mark, line ends, quotes, cuts."""
    path = random.choice([*[r["path"] for r in tables(folder)] * 2, "geo/land.geojson", "geo/iraq-governorates.geojson"])
    content = (folder / path).read_bytes()
    at, kind = random.randrange(len(content)), random.randrange(20)
    end = min(len(content), at + random.choice([1, 2, 10, 200]))
    text = content.decode()
    changed = [
        lambda: b"\xef\xbb\xbf" + content,
        lambda: b"\xef\xbb\xbf\xef\xbb\xbf" + content,
        lambda: text.encode(random.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7", "shift_jis", "cp1256", "cp037"]), "replace"),
        lambda: (text + "é").encode("latin-1", "replace"),
        lambda: content.replace(b"\n", random.choice([b"\r\n", b"\r", b"\n\r", b"\n\n", b"\0"])),
        lambda: content.replace(b"\n", b"\r\n", 1),
        lambda: content.rstrip(b"\n"),
        lambda: content[:at],
        lambda: content[at:],
        lambda: content[:at] + content[end:],
        lambda: content[:at] + content[at:end] * 2 + content[end:],
        lambda: content[:at] + random.choice(BYTES) + content[at:],
        lambda: content[:at] + random.choice(BYTES) + content[at + 1 :],
        lambda: content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :],
        lambda: content.replace(b",", random.choice([b";", b"\t", b"|", b", "])),
        lambda: content.replace(b'"', random.choice([b"'", b"", b'\\"', "“".encode()])),
        lambda: random.choice([b"", b"\n", b"\0" * 1000, b" ", b"null", b"[]", b"{}", b"1", b'"', b"[" * 10**5, b'{"a":' * 10**5, b"\n" * 10**5, b"," * 10**6, b"x" * 10**7, b"9" * 10**5, b'{"type":NaN}']),
        lambda: gzip.compress(content, mtime=0),
        lambda: re.sub(rb"(?m)^(.*)$", rb'"\1"', content),
        lambda: content + content,
    ][kind]()
    (folder / path).write_bytes(changed)
    return [path], f"bytes {kind} at {at}: {content[at:end][:20]!r}"


def file(folder, random):
    """Put something else in the place of a file."""
    path = random.choice([*[r["path"] for r in tables(folder)], "geo/land.geojson", "geo/iraq-governorates.geojson", "datapackage.json"])
    file, kind = folder / path, random.randrange(12)
    content = file.read_bytes()
    file.unlink()
    match kind:
        case 1: file.mkdir()
        case 2: file.symlink_to("nowhere")
        case 3: file.symlink_to(file.name)
        case 4: file.symlink_to(random.choice(["/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem", "/etc/hosts", "/"]))
        case 5: os.mkfifo(file)
        case 6:
            (folder.parent / f"{folder.name}-outside").write_bytes(content)
            file.symlink_to(folder.parent / f"{folder.name}-outside")
        case 7:
            with file.open("wb") as sparse:
                sparse.truncate(1 << 40)
        case 8: file.symlink_to("actors.csv" if path == "places.csv" else "places.csv")
        case 9 | 10:  # a link to the folder, or a file in its place
            path, outside = "geo/land.geojson", folder.parent / f"{folder.name}-folder"
            file.write_bytes(content)
            shutil.rmtree(outside, ignore_errors=True)
            (folder / "geo").rename(outside)
            (folder / "geo").symlink_to(outside) if kind == 9 else (folder / "geo").write_bytes(content)
        case 11:  # one file by two names, which nothing can tell from two
            outside = folder.parent / f"{folder.name}-linked"
            outside.unlink(missing_ok=True)
            outside.write_bytes(content)
            file.hardlink_to(outside)
    return [path], f"file {kind}: {os.path.realpath(file)}"


@functools.cache
def bomb(kind):
    """Return an archive of a few megabytes at most that opens to half a gigabyte (zip) or to eight, more than a run may use."""
    part = bytes(1 << 26)
    match kind:
        case "gz": return gzip.compress(part, 9, mtime=0) * 128
        case "bz2": return bz2.compress(part) * 128
        case "xz": return lzma.compress(part) * 128
        case "zip":
            inner, entry = io.BytesIO(), zipfile.ZipInfo("places.csv")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with zipfile.ZipFile(inner, "w") as zipped, zipped.open(entry, "w") as file:
                for _ in range(8):
                    file.write(part)
            return inner.getvalue()


def archive(folder, random):
    """Put an archive in the place of a file: of the file itself, or a bomb; under its name, or that of an archive."""
    resource = random.choice(described(folder)["resources"])
    path, kind = resource["path"], random.choice(["gz", "bz2", "xz", "zip"])
    content = (folder / path).read_bytes()
    bombed, named = random.random() < 0.5, random.random() < 0.5
    if bombed:
        packed = bomb(kind)
    elif kind == "zip":
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w") as zipped:
            zipped.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
        packed = inner.getvalue()
    else:
        packed = {"gz": lambda: gzip.compress(content, mtime=0), "bz2": lambda: bz2.compress(content), "xz": lambda: lzma.compress(content)}[kind]()
    said = f"{'bomb' if bombed else 'archive'} ({kind})"
    if not named:
        (folder / path).write_bytes(packed)
        return [path], said, (resource["name"], "", "format")
    (folder / path).unlink()
    (folder / f"{path}.{kind}").write_bytes(packed)
    changed = described(folder)
    next(r for r in changed["resources"] if r["path"] == path)["path"] += f".{kind}"
    (folder / "datapackage.json").write_text(json.dumps(changed))
    return ["datapackage.json", f"{path}.{kind}"], f"{said} by its name", ("?", "", "format")


def descriptor(folder, random):
    """Damage the descriptor: a value of it lost, doubled, or become something else."""
    path = folder / "datapackage.json"
    whole = described(folder)
    spots = []

    def walk(node, key):
        spots.append((node, key))
        value = node[key]
        for inner in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            walk(value, inner)

    walk(whole, "resources")
    node, key = random.choice([s for s in spots if s[1] not in ("title", "description", "meanings")])
    if random.random() < 0.4:  # names, paths and rules matter most
        node, key = random.choice([s for s in spots if s[1] in ("path", "name", "format", "type", "hash", "rows", "fields", "schema", "foreignKeys", "pattern", "enum", "ordered", "allowed")])
    before = str(node[key])[:40]
    value = random.choice([None, "", 0, -1, 1.5, True, [], {}, [[]], ["x"], "x", "../x", "/etc/hosts", "/dev/zero", "http://localhost:1/x.csv", "(", "(a+)+$", "x" * 10**5, "sha256:" + "0" * 64, 10**40, float("nan"), float("inf"), "events", "\ud800", "x\ny", "LOST", "DOUBLED"])
    if value == "LOST":
        del node[key]
    elif value == "DOUBLED" and isinstance(node, list):
        node.append(node[key])
    else:
        node[key] = value
    path.write_text(json.dumps(whole))
    return ["datapackage.json"], f"descriptor {key}: {before} -> {str(value)[:30]!r}"


def descriptor_bytes(folder, random):
    path = folder / "datapackage.json"
    content = path.read_bytes()
    at = random.randrange(len(content))
    path.write_bytes(random.choice([
        b"", b"null", b"[]", b"{}", b"1", b'"x"', b"[" * 10**5, b'{"resources":' * 10**5, b'{"resources": [1]}', b'{"resources": {"a": 1}}', b'{"resources": "x"}', b"\0" * 100, b"9" * 10**5,
        content[:at], content[:at] + random.choice(BYTES) + content[at:], content[:at] + content[at + 1 :], content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :],
        content.decode().encode("utf-16"), b"\xef\xbb\xbf" + content, content + content, gzip.compress(content, mtime=0),
    ]))
    return ["datapackage.json"], f"descriptor bytes at {at}"


DAMAGES = [break_rule, break_rule, break_rule, cell, cell, near_value, other_value, swap_cells, shape, raw, raw, file, archive, descriptor, descriptor_bytes]
