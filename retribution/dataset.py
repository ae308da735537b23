"""Read the data package, check it against its descriptor, and derive one estimate per event."""

import csv
import dataclasses
import datetime
import hashlib
import io
import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unicodedata import is_normalized

import numpy as np
import pandas as pd

DATA = Path(__file__).resolve().parents[1] / "data"
MEASURES = ("munitions", "killed", "wounded")


class DataError(ValueError):
    """The data package breaks its own descriptor; ``problems`` lists every breach, one line each."""

    def __init__(self, problems):
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Dataset:
    """The tables of the data package as typed frames, in the column order of the descriptor.

    Dates are ``datetime64``, integers ``Int64``, listed values ``category`` (ordered where the descriptor says
    so), other text ``str``; an empty cell is missing. ``events`` also carries what ``estimate`` derives. The
    ``origin`` of a report is that of its document where it has none of its own; its ``alignment`` is that of the
    party its origin is tied to (its publisher, where the origin is not stated), missing where ``outlets`` names none.
    ``geo`` holds the two outlines as GeoJSON, ``descriptor`` the parsed ``datapackage.json``, ``fingerprint``
    its SHA-256, which fixes the content of every file since the descriptor lists their hashes.
    """

    events: pd.DataFrame
    distinct: pd.DataFrame
    reports: pd.DataFrame
    sources: pd.DataFrame
    outlets: pd.DataFrame
    places: pd.DataFrame
    actors: pd.DataFrame
    claims: pd.DataFrame
    evidence: pd.DataFrame
    series: pd.DataFrame
    counters: pd.DataFrame
    coding: pd.DataFrame
    settled: pd.DataFrame
    verification: pd.DataFrame
    retired: pd.DataFrame
    corrections: pd.DataFrame
    geo: dict
    descriptor: dict
    fingerprint: str


def load(folder=DATA):
    """Return the ``Dataset`` in ``folder``; raise ``DataError`` naming every breach of its descriptor."""
    folder = Path(folder)
    descriptor, raw = _read_descriptor(folder)
    problems = []
    try:
        frames, geo = _follow(descriptor, folder, problems)
    except (AttributeError, LookupError, OverflowError, TypeError, ValueError, re.error) as error:
        raise DataError([f"datapackage.json: cannot be followed: {_plain(repr(error))} (rule: descriptor)"]) from error
    if not problems:
        _check_distinct(frames["events"], frames["places"], frames["distinct"], problems)
    if problems:
        raise DataError(problems)
    frames["reports"] = _whose(**{name: frames[name] for name in ("reports", "sources", "outlets", "actors")})
    events = frames["events"].join(estimate(frames["reports"], frames["sources"]), on="event_id")
    events["origins"] = events["origins"].fillna(0).astype(int)
    return Dataset(**frames | {"events": events}, geo=geo, descriptor=descriptor, fingerprint=hashlib.sha256(raw).hexdigest())


def _follow(descriptor, folder, problems):
    """Return the frames and the outlines that the descriptor lists, and add to ``problems`` where they break it."""
    frames, geo = {}, {}
    for resource in descriptor["resources"]:
        content = _read_file(folder, resource, problems)
        if content is None:
            continue
        if resource["format"] == "geojson":
            try:
                outlines = geo[resource["name"].removeprefix("geo-")] = _json(content)
                if not (isinstance(outlines, dict) and outlines.get("features")):
                    raise ValueError("it has no features")
            except (ValueError, RecursionError) as error:
                problems.append(f"{resource['path']}: not valid GeoJSON: {error} (rule: format)")
        else:
            frame = _parse(resource, content, problems)
            if frame is not None:
                frames[resource["name"]] = frame
    for resource in descriptor["resources"]:
        if resource["name"] in frames:
            _check_table(resource, frames, problems)
    return frames, geo


def _whose(reports, sources, outlets, actors):
    """Return ``reports`` with every origin filled in and the alignment of the party that it is tied to."""
    rows = reports[["source_id"]].merge(sources, on="source_id", how="left")
    origin = reports["origin"].fillna(rows["origin"])
    sides = outlets.merge(actors, left_on="party", right_on="actor_id").set_index("outlet")["alignment"].astype(str)
    return reports.assign(origin=origin, alignment=origin.mask(origin == "Not stated", rows["publisher"]).map(sides))


def estimate(reports, sources):
    """Return one row per event: ``origins`` and, per measure, ``_low``, ``_best`` and ``_high`` (Int64).

    Pages whose reporting is not stated count as an origin only where an event has no other. Reprints do not
    count twice: within an origin only the figures last published stand (all of them where none is dated). An
    origin's interval is the hull of those figures, ``high`` being ``low`` where a source gives no upper figure. Over origins, ``low`` is the least low, ``high`` the greatest high and ``best`` the lower
    median of the lows, so that it is a figure somebody reported. After the low, best and high estimates of
    UCDP GED (Sundberg and Melander 2013), with origins in the place of a coder's judgement.
    """
    rows = reports.merge(sources[["source_id", "published"]], on="source_id")
    rows["published"] = rows["published"].fillna(pd.Timestamp(0))
    known = rows["origin"].where(rows["origin"] != "Not stated")
    out = known.groupby(rows["event_id"]).nunique().clip(lower=1).to_frame("origins")
    for measure in MEASURES:
        low, high = f"{measure}_low", f"{measure}_high"
        given = rows[rows[low].notna()]
        last = given.groupby(["event_id", "origin"])["published"].transform("max")
        given = given[given["published"] == last]
        given = given.assign(**{high: given[high].fillna(given[low])})
        by_origin = given.groupby(["event_id", "origin"]).agg({low: "min", high: "max"}).groupby("event_id")
        out[low] = by_origin[low].min()
        out[f"{measure}_best"] = by_origin[low].quantile(0.5, interpolation="lower").astype("Int64")
        out[high] = by_origin[high].max()
    return out


def quarter(event_id):
    """Return the name of the register page that holds an event, such as ``2020-q1``."""
    return f"{event_id[:4]}-q{(int(event_id[5:7]) + 2) // 3}"


def refresh(folder=DATA):
    """Write the present hash, size and row count of every file into ``datapackage.json``."""
    folder = Path(folder)
    descriptor, _ = _read_descriptor(folder)
    for resource in descriptor["resources"]:
        content = _read(folder, resource["path"])
        if resource["format"] == "csv":
            try:
                resource["rows"] = len(_cells(content)) - 1
            except (ValueError, csv.Error) as error:
                raise DataError([f"{resource['path']}: cannot be read as CSV in UTF-8: {error} (rule: format)"]) from None
        resource["hash"] = "sha256:" + hashlib.sha256(content).hexdigest()
        resource["bytes"] = len(content)
    text = json.dumps(descriptor, indent=1, ensure_ascii=False) + "\n"
    new = folder / "datapackage.json.new"  # put in place whole, so that a kill or a full disk spoils nothing
    try:
        new.write_text(text, encoding="utf-8")
        new.replace(folder / "datapackage.json")
    except OSError as error:
        new.unlink(missing_ok=True)
        raise DataError([f"datapackage.json: cannot be written: {error.strerror}; it is as it was (rule: path)"]) from None


def draw(data, number, seed=20260122):
    """Return the next ``number`` reports (event_id, source_id) to verify, in an order fixed by ``seed``.

    The order is that of a hash of seed and key, so that a row's turn never depends on the other rows: those
    verified so far are at any time a simple random sample, also after the table has grown. Survey
    sampling calls such a hash a permanent random number.
    """
    rows = data.reports[["event_id", "source_id"]]
    turn = [hashlib.sha256(f"{seed}|{event}|{source}".encode()).hexdigest() for event, source in rows.itertuples(index=False)]
    rows = rows.assign(turn=turn).merge(data.verification[["event_id", "source_id"]], how="left", indicator=True)
    return rows[rows["_merge"] == "left_only"].sort_values("turn")[["event_id", "source_id"]].head(number)


def _read(folder, path):
    """Return the bytes of a file of the package; raise ``DataError`` where it is no plain file within the folder.

    A link, a device or a file without end would hang the reader, or bring into the book what is not of the package.
    """
    file, whole = folder / path, Path(os.path.realpath(folder))
    try:
        if not os.path.lexists(file):
            raise DataError([f"{_plain(path)}: file is missing (rule: path)"])
        if os.path.realpath(file) != f"{whole}{os.sep}{path.replace('/', os.sep)}" or not file.is_file():
            raise DataError([f"{_plain(path)}: is not a plain file within {folder.name}/ (rule: path)"])
        if file.stat().st_size > 1 << 30:
            raise DataError([f"{path}: is larger than 1 GiB (rule: path)"])
        return file.read_bytes()
    except OSError as error:
        raise DataError([f"{_plain(path)}: cannot be read: {error.strerror} (rule: path)"]) from None


def _json(content):
    def refuse(word):
        raise ValueError(f"{word} is not a number")

    whole = json.loads(content.decode(), parse_constant=refuse)
    json.dumps(whole, ensure_ascii=False).encode()  # fails on half a surrogate pair, which no file can hold
    return whole


def _plain(text):
    """Return ``text`` as one short line that can be seen whole."""
    return repr(text[:80])[1:-1] if len(text) > 80 or not text.isprintable() else text


def _read_descriptor(folder):
    raw = _read(folder, "datapackage.json")
    try:
        descriptor = _json(raw)
        resources = descriptor["resources"]
        tables = [field.name for field in dataclasses.fields(Dataset) if field.type is pd.DataFrame]
        if sorted((r["name"], r["format"]) for r in resources) != sorted([*((name, "csv") for name in tables), ("geo-land", "geojson"), ("geo-iraq-governorates", "geojson")]):
            raise ValueError(f"its resources are not {', '.join(tables)} and the two outlines")
        if not all(isinstance(r["path"], str) and r["path"].isprintable() for r in resources):
            raise ValueError("a path is not a name")
        return descriptor, raw
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise DataError([f"datapackage.json: not a data package: {_plain(str(error))} (rule: descriptor)"]) from None


def _read_file(folder, resource, problems):
    path = resource["path"]
    try:
        content = _read(folder, path)
    except DataError as error:
        problems += error.problems
        return None
    if "sha256:" + hashlib.sha256(content).hexdigest() != resource.get("hash"):
        problems.append(f"{path}: content differs from the hash in datapackage.json; if the edit is meant, run: make data (rule: hash)")
    return content


def _cells(content):
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def _parse(resource, content, problems):
    """Return the resource's frame with every cell typed, or None where the file is no table of these columns."""
    path, fields = resource["path"], resource["schema"]["fields"]
    try:
        header, *rows = _cells(content)
    except (ValueError, csv.Error) as error:
        problems.append(f"{path}: cannot be read as CSV in UTF-8: {error} (rule: format)")
        return None
    names = [f["name"] for f in fields]
    missing, extra = [n for n in names if n not in header], [n for n, times in Counter(header).items() if n not in names or times > 1]
    problems += [f"{path}, column {_plain(n)}: is missing (rule: fields)" for n in missing]
    problems += [f"{path}, column {_plain(n)}: is not in the descriptor, or is there twice (rule: fields)" for n in extra]
    ragged = [n for n, row in enumerate(rows, 2) if len(row) != len(header)]
    problems += [f"{path}, row {n}: has {len(rows[n - 2])} cells, the header {len(header)} (rule: format)" for n in ragged]
    if not (missing or extra) and header != names:
        problems.append(f"{path}: its columns do not stand in the order of the descriptor (rule: fields)")
    if missing or extra or ragged:
        return None
    if len(rows) != resource.get("rows"):
        problems.append(f"{path}: has {len(rows)} rows, datapackage.json says {resource.get('rows')}; if the edit is meant, run: make data (rule: rows)")
    columns = dict(zip(header, zip(*rows))) or dict.fromkeys(header, ())
    return pd.DataFrame({field["name"]: _parse_column(path, field, columns[field["name"]], problems) for field in fields})


def _date(cell):
    return datetime.date.fromisoformat(cell) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell) else None


TYPES = {
    # how a cell becomes a value (None where it is none), the dtype of the column, what another cell is not
    "date": (_date, "datetime64[s]", "is not a date (YYYY-MM-DD)"),
    "integer": (lambda cell: int(cell) if re.fullmatch("-?[0-9]{1,15}", cell) else None, "Int64", "is not a whole number"),
    "number": (lambda cell: float(cell) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]+)?", cell) else None, "Float64", "is not a number"),
    "boolean": ({"true": True, "false": False}.get, "boolean", "is not true or false"),
    "string": (str, "str", ""),
}


def _parse_column(path, field, cells, problems):
    """Return the column's values; in plain Python, since a call of pandas costs more than most tables' cells."""
    name, rules = field["name"], field.get("constraints", {})
    parse, dtype, not_one = TYPES[field["type"]]
    values = []
    for cell in cells:
        try:
            values.append(parse(cell) if cell else None)
        except ValueError:
            values.append(None)

    def breach(bad, rule, says):
        for row, (cell, value) in enumerate(zip(cells, values), 2):
            if cell and bad(cell, value):
                problems.append(_line(path, row, name, cell, says, rule))

    if rules.get("required"):
        problems += [_line(path, row, name, "", "must not be empty", "required") for row, cell in enumerate(cells, 2) if not cell]
    if rules.get("unique"):
        seen = set()
        breach(lambda cell, _: cell in seen or seen.add(cell), "unique", "is there already")
    breach(lambda cell, _: cell != cell.strip(), "spaces", "has spaces around it")
    breach(lambda cell, _: not cell.isprintable(), "characters", "has characters that cannot be seen")
    # A spreadsheet runs such a cell; a mark before it, which OWASP advises, would change what other tools read.
    breach(lambda cell, value: isinstance(value, str) and re.match(r"[=@＝＋－＠]|[+-](?!\d+(\.\d+)?$)", cell), "formula", "begins as a formula of a spreadsheet does")
    breach(lambda cell, _: not is_normalized("NFC", cell), "characters", "has letters apart from their accents (not Unicode NFC)")
    breach(lambda _, value: value is None, "type", not_one)
    if "minimum" in rules:
        breach(lambda _, value: value is not None and value < rules["minimum"], "minimum", f"is below {rules['minimum']}")
    if "maximum" in rules:
        breach(lambda _, value: value is not None and value > rules["maximum"], "maximum", f"is above {rules['maximum']}")
    if "maxLength" in rules:
        breach(lambda cell, _: len(cell) > rules["maxLength"], "maxLength", f"is longer than {rules['maxLength']} characters")
    if "pattern" in rules:
        match = re.compile(rules["pattern"]).fullmatch
        breach(lambda cell, _: not match(cell), "pattern", f"does not match {rules['pattern']}")
    if "enum" in rules:
        listed = [str(value) for value in rules["enum"]]
        breach(lambda cell, _: cell not in listed, "enum", f"is not one of {', '.join(listed)}")
        if dtype == "str":
            return pd.Categorical([value if value in listed else None for value in values], listed, ordered=field.get("categoriesOrdered", False))
    return np.array(values, dtype) if dtype == "datetime64[s]" else pd.array(values, dtype=dtype)


def _check_table(resource, frames, problems):
    """Check keys within and between tables, and the rules that relate two columns of a row."""
    name, path, schema = resource["name"], resource["path"], resource["schema"]
    frame = frames[name]

    def breach(mask, column, says, rule):
        for row in np.flatnonzero(mask):
            value = frame[column][row]
            problems.append(_line(path, row + 2, column, "" if pd.isna(value) else str(value), says, rule))

    key = schema.get("primaryKey", [])
    if len(key) > 1:
        breach(frame.duplicated(key), key[-1], f"stands twice for the same {', '.join(key[:-1])}", "primaryKey")
    for foreign in schema.get("foreignKeys", []):
        column, table = foreign["fields"][0], foreign["reference"]["resource"] or name
        if table in frames:
            known = frames[table][foreign["reference"]["fields"][0]]
            breach(frame[column].notna() & ~frame[column].isin(known), column, f"is not in {table}.csv", "foreignKeys")
    for first, last in resource.get("ordered", []):
        breach((frame[first] > frame[last]).fillna(False).astype(bool), last, f"is below {first}", "ordered")
    for column, other in resource.get("needs", []):
        breach(frame[column].notna() & frame[other].isna(), column, f"is given without {other}", "needs")
    for column, other in resource.get("together", []):
        breach(frame[column].notna() != frame[other].notna(), column, f"and {other} must both be given or both be empty", "together")
    for column, other in resource.get("starts", []):
        log = frames.get("corrections", pd.DataFrame(columns=["table", "row", "column"]))
        moved = frame[column].isin(log.loc[(log["table"] == name) & (log["column"] == other), "row"])
        breach((frame[column].str[:10] != frame[other].dt.strftime("%Y-%m-%d")) & ~moved, column, f"does not begin with {other}, and corrections.csv logs no change of it", "starts")
    for columns in resource.get("oneOf", []):
        breach(frame[columns].notna().sum(axis=1) != 1, columns[0], f"exactly one of {', '.join(columns)} must be given", "oneOf")
    for columns in resource.get("anyOf", []):
        breach(frame[columns].isna().all(axis=1), columns[0], f"at least one of {', '.join(columns)} must be given", "anyOf")
    if allowed := resource.get("allowed"):
        pairs = {(by, value) for by, values in allowed["values"].items() for value in values}
        found = pd.Series(list(zip(frame[allowed["by"]], frame[allowed["column"]])), frame.index)
        breach(~found.isin(pairs), allowed["column"], f"does not go with its {allowed['by']}; the codebook lists the words allowed", "allowed")


def near_pairs(events, places):
    """Return the pairs (event_id, other_id) of attacks or strikes that may be one: near in place and in day.

    Near in place: the same place, places within 10 km, or a governorate and a place in it. Near in day: the ranges
    of days overlap or touch. Each pair is in the order of its names.
    """
    rows = events[events["domain"].isin(["proxy_attack", "state_strike"])].merge(places, on="place_id").sort_values("event_id")
    pairs = rows.merge(rows, how="cross", suffixes=("", "_other"))
    pairs = pairs[(pairs["event_id"] < pairs["event_id_other"]) & (pairs["domain"] == pairs["domain_other"])]
    day = pd.Timedelta(days=1)
    pairs = pairs[(pairs["date_start"] <= pairs["date_end_other"] + day) & (pairs["date_start_other"] <= pairs["date_end"] + day)]
    north = 111.2 * (pairs["lat"] - pairs["lat_other"])
    east = 111.2 * (pairs["lon"] - pairs["lon_other"]) * np.cos(np.radians(pairs["lat"].astype(float)))
    within = (pairs["admin1"] == pairs["admin1_other"]) & ((pairs["precision"] == "region") | (pairs["precision_other"] == "region"))
    near = (pairs["place_id"] == pairs["place_id_other"]) | ((north**2 + east**2) < 100).fillna(False) | within
    return pairs.loc[near.astype(bool), ["event_id", "event_id_other"]].rename(columns={"event_id_other": "other_id"})


def _check_distinct(events, places, distinct, problems):
    settled = set(distinct[["event_id", "other_id"]].itertuples(index=False, name=None))
    line = dict(zip(events["event_id"], events.index + 2))
    for one, other in near_pairs(events, places).itertuples(index=False, name=None):
        if (one, other) not in settled:
            problems.append(f"events.csv, row {line[other]}, column event_id: {other!r} may be the same as {one!r} in row {line[one]} (place and day are near); make them one, or say in distinct.csv what tells them apart (rule: distinct)")


def _line(path, row, column, value, says, rule):
    return f"{path}, row {row}, column {column}: " + (f"{value[:80]!r} " if value else "") + f"{says} (rule: {rule})"
