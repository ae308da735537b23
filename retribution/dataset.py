"""Read the data package, check it against its descriptor, and derive one estimate per event."""

import csv
import dataclasses
import datetime
import functools
import hashlib
import io
import json
import os
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice, product
from operator import eq, not_
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
    """Return the ``Dataset`` in ``folder``; raise ``DataError`` naming every breach of its descriptor.

    The book's own is read once a process, as long as its files stay the same; its frames are copies that share their cells until one is written to.
    """
    if Path(folder) != DATA:
        return _load(Path(folder))
    data = _book(tuple((path.name, (stat := path.lstat()).st_size, stat.st_mtime_ns) for path in sorted(DATA.rglob("*"))))
    return Dataset(**vars(data) | {name: frame.copy(deep=False) for name, frame in vars(data).items() if isinstance(frame, pd.DataFrame)})


@functools.lru_cache(maxsize=1)
def _book(_):
    return _load(DATA)


def _load(folder):
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
    rows = reports[["source_id"]].merge(sources[["source_id", "origin", "publisher"]], on="source_id", how="left")
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
    published = reports[["source_id"]].merge(sources[["source_id", "published"]], how="left")["published"].fillna(pd.Timestamp(0))
    event, events = pd.factorize(reports["event_id"])
    origin, origins = pd.factorize(reports["origin"].where(reports["origin"] != "Not stated"))
    rows = reports.assign(event=event, origin=origin, pair=event * (len(origins) + 1) + origin, published=published.astype("int64"))
    known = rows.loc[origin >= 0, ["event", "pair"]].drop_duplicates()["event"]
    out = pd.DataFrame({"origins": np.bincount(known, minlength=len(events)).clip(1)})
    for measure in MEASURES:
        low, high = f"{measure}_low", f"{measure}_high"
        given = rows.loc[rows[low].notna(), ["event", "pair", "published", low, high]]
        given = given[given["published"] == given.groupby("pair")["published"].transform("max")]
        given[high] = given[high].fillna(given[low])
        by_origin = given.groupby("pair").agg({"event": "first", low: "min", high: "max"}).sort_values(["event", low])
        by_event = by_origin.groupby("event")
        middle = by_event.cumcount() == (by_event[low].transform("size") - 1) // 2
        out[low] = by_event[low].first()
        out[f"{measure}_best"] = by_origin[middle].set_index("event")[low]
        out[high] = by_event[high].max()
    return out.set_index(pd.Index(events, name="event_id"))


def quarter(event_id):
    """Return the quarter of an event by its id, such as ``2020-q1``."""
    return f"{event_id[:4]}-q{(int(event_id[5:7]) + 2) // 3}"


def refresh(folder=DATA):
    """Write the present hash, size and row count of every file into ``datapackage.json``."""
    folder = Path(folder)
    descriptor, _ = _read_descriptor(folder)
    for resource in descriptor["resources"]:
        content = _read(folder, resource["path"])
        if resource["format"] == "csv":
            try:
                resource["rows"] = sum(1 for _ in _cells(content)) - 1
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
        if not all(isinstance(r["path"], str) and r["path"].strip() and r["path"].isprintable() for r in resources):
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
    """Yield the rows of a CSV file, lists of cells with the header first."""
    try:
        yield from csv.reader(io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline=""), strict=True)
    except (ValueError, csv.Error):
        content.decode("utf-8-sig")  # what is no text is told as that, by its place in the whole file
        raise


def _parse(resource, content, problems):
    """Return the resource's frame with every cell typed, or None where the file is no table of these columns."""
    path, fields = resource["path"], resource["schema"]["fields"]
    names, ragged, count = [f["name"] for f in fields], [], 0
    columns = [(_codes(), []) for _ in names]
    try:
        rows = _cells(content)
        header, *_ = islice(rows, 1)
        while block := list(islice(rows, 1 << 10)):
            if set(map(len, block)) == {len(header)} == {len(names)}:
                for cells, (texts, codes) in zip(zip(*block), columns):
                    codes.append(np.fromiter(map(texts.__getitem__, cells), np.int32, len(block)))
            ragged += [(n, len(row)) for n, row in enumerate(block, count + 2) if len(row) != len(header)]
            count += len(block)
    except (ValueError, csv.Error) as error:
        problems.append(f"{path}: cannot be read as CSV in UTF-8: {error} (rule: format)")
        return None
    missing, extra = [n for n in names if n not in header], [n for n, times in Counter(header).items() if n not in names or times > 1]
    problems += [f"{path}, column {_plain(n)}: is missing (rule: fields)" for n in missing]
    problems += [f"{path}, column {_plain(n)}: is not in the descriptor, or is there twice (rule: fields)" for n in extra]
    problems += [f"{path}, row {n}: has {cells} cells, the header {len(header)} (rule: format)" for n, cells in ragged]
    if not (missing or extra) and header != names:
        problems.append(f"{path}: its columns do not stand in the order of the descriptor (rule: fields)")
    if missing or extra or ragged:
        return None
    if count != resource.get("rows"):
        problems.append(f"{path}: has {count} rows, datapackage.json says {resource.get('rows')}; if the edit is meant, run: make data (rule: rows)")
    columns = dict(zip(header, columns))
    return pd.DataFrame({field["name"]: _parse_column(path, field, *columns.pop(field["name"]), problems) for field in fields})


def _codes():
    """Return a dict that gives each new key the next number."""
    codes = defaultdict()
    codes.default_factory = codes.__len__
    return codes


def _date(cell):
    try:
        return datetime.date.fromisoformat(cell) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", cell) else None
    except ValueError:
        return None


TYPES = {
    # how a cell becomes a value (None where it is none), the dtype of the column, what another cell is not
    "date": (_date, "datetime64[s]", "is not a date (YYYY-MM-DD)"),
    "integer": (lambda cell: int(cell) if re.fullmatch("-?[0-9]{1,15}", cell) else None, "Int64", "is not a whole number"),
    "number": (lambda cell: float(cell) if re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]+)?", cell) else None, "Float64", "is not a number"),
    "boolean": ({"true": True, "false": False}.get, "boolean", "is not true or false"),
    "string": (str, "str", ""),
}
# A spreadsheet runs such a cell; a mark before it, which OWASP advises, would change what other tools read.
FORMULA = re.compile(r"[=@＝＋－＠]|[+-](?!\d+(\.\d+)?$)")


def _parse_column(path, field, texts, codes, problems):
    """Return the column's values, from the number of each distinct text and the numbers, in blocks, of the rows' texts.

    Each rule is asked once of each distinct text, mostly without a step of Python; rows are looked at where one fails.
    """
    name, rules = field["name"], field.get("constraints", {})
    parse, dtype, not_one = TYPES[field["type"]]
    empty, cells, codes = texts.get("", -1), list(texts), np.concatenate([np.empty(0, np.int32), *codes])
    values = list(map(parse, cells))
    if empty >= 0:
        values[empty] = None

    def tell(rows, says, rule):
        problems.extend(_line(path, row + 2, name, cells[codes[row]], says, rule) for row in np.flatnonzero(rows))

    def hold(kept, rule, says):
        kept = np.fromiter(kept, bool, len(cells))
        if empty >= 0:
            kept[empty] = True
        if not kept.all():
            tell(~kept[codes], says, rule)

    if rules.get("required"):
        tell(codes == empty, "must not be empty", "required")
    if rules.get("unique"):
        tell(pd.Series(codes).duplicated() & (codes != empty), "is there already", "unique")
    hold(map(eq, cells, map(str.strip, cells)), "spaces", "has spaces around it")
    hold(map(str.isprintable, cells), "characters", "has characters that cannot be seen")
    if dtype == "str":
        hold(map(not_, map(FORMULA.match, cells)), "formula", "begins as a formula of a spreadsheet does")
    hold(map(functools.partial(is_normalized, "NFC"), cells), "characters", "has letters apart from their accents (not Unicode NFC)")
    if not_one:
        hold((value is not None for value in values), "type", not_one)
    if "minimum" in rules:
        hold((value is None or value >= rules["minimum"] for value in values), "minimum", f"is below {rules['minimum']}")
    if "maximum" in rules:
        hold((value is None or value <= rules["maximum"] for value in values), "maximum", f"is above {rules['maximum']}")
    if "maxLength" in rules:
        hold((len(cell) <= rules["maxLength"] for cell in cells), "maxLength", f"is longer than {rules['maxLength']} characters")
    if "pattern" in rules:
        hold(map(re.compile(rules["pattern"]).fullmatch, cells), "pattern", f"does not match {rules['pattern']}")
    if "enum" in rules:
        listed = [str(value) for value in rules["enum"]]
        hold((cell in listed for cell in cells), "enum", f"is not one of {', '.join(listed)}")
        if dtype == "str":
            return pd.Categorical([value if value in listed else None for value in values], listed, ordered=field.get("categoriesOrdered", False)).take(codes)
    return (np.array(values, dtype) if dtype == "datetime64[s]" else pd.array(values, dtype=dtype)).take(codes)


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
        breach((frame[column].str[:10] != frame[other].astype(str)) & ~moved, column, f"does not begin with {other}, and corrections.csv logs no change of it", "starts")
    for columns in resource.get("oneOf", []):
        breach(frame[columns].notna().sum(axis=1) != 1, columns[0], f"exactly one of {', '.join(columns)} must be given", "oneOf")
    for columns in resource.get("anyOf", []):
        breach(frame[columns].isna().all(axis=1), columns[0], f"at least one of {', '.join(columns)} must be given", "anyOf")
    if allowed := resource.get("allowed"):
        known = pd.Series(False, frame.index)
        for by, values in allowed["values"].items():
            known |= (frame[allowed["by"]] == by) & frame[allowed["column"]].isin(values)
        breach(~known, allowed["column"], f"does not go with its {allowed['by']}; the codebook lists the words allowed", "allowed")


def near_pairs(events, places):
    """Return the pairs (event_id, other_id) of attacks or strikes that may be one: near in place and in day.

    Near in place: the same place, places within 10 km, or a governorate and a place in it. Near in day: the ranges
    of days overlap or touch. Each pair is in the order of its names.
    """
    rows = events[events["domain"].isin(["proxy_attack", "state_strike"])].merge(places, on="place_id").sort_values("event_id", ignore_index=True)
    rows = rows[["event_id", "date_start", "date_end", "domain", "place_id", "admin1", "lat", "lon", "precision"]].astype({"lat": float, "lon": float})
    first, last = (rows[date].to_numpy("datetime64[D]").astype(int) + 10**6 for date in ("date_start", "date_end"))
    # Days begin at a number above zero, so that place and day make one number; pairs that meet are then judged one by one.
    found = [_meet(key, key, first, last) for key in (rows["place_id"].factorize()[0], rows["admin1"].factorize()[0])]
    lat, lon = rows["lat"].to_numpy(), rows["lon"].to_numpy()
    found += [_meet(_square(lat, lon), _square(lat, lon, *aside), first, last) for aside in product((-1, 0, 1), repeat=2)]
    one, other = np.divmod(np.unique(np.concatenate(found)), len(rows) + 1)
    pairs = pd.concat([rows.iloc[one].reset_index(drop=True), rows.iloc[other].reset_index(drop=True).add_suffix("_other")], axis=1)
    north = 111.2 * (pairs["lat"] - pairs["lat_other"])
    east = 111.2 * (pairs["lon"] - pairs["lon_other"]) * np.cos(np.radians(pairs["lat"]))
    within = (pairs["admin1"] == pairs["admin1_other"]) & ((pairs["precision"] == "region") | (pairs["precision_other"] == "region"))
    near = (pairs["place_id"] == pairs["place_id_other"]) | (north**2 + east**2 < 100) | within
    return pairs.loc[near & (pairs["domain"] == pairs["domain_other"]), ["event_id", "event_id_other"]].rename(columns={"event_id_other": "other_id"})


def _square(lat, lon, up=0, right=0):
    """Return the number of each point's square of 10 km or more a side, or of a neighbour of it; -1 without coordinates."""
    band = np.floor(lat / 0.09) + up  # 10.008 km
    width = 0.09 / np.cos(np.radians(np.minimum(abs(band) * 0.09 + 0.18, 89.99)))  # 10 km wherever in the band or beside it
    square = (band + 2000) * 10**5 + np.floor(lon / width) + right + 5000
    return np.where(np.isnan(square), -1, square).astype(int)


def _meet(key, other, first, last):
    """Return the pairs of rows n < m, as n * (rows + 1) + m, where the ``other`` of one is the ``key`` of one that begins
    in its days ``first`` to ``last`` or the day after, by a search in sorted numbers: as many steps as rows and pairs.
    """
    span = 10**7
    start = key * span + first
    order = np.argsort(start)
    low = np.searchsorted(start, other * span + first, sorter=order)
    times = np.where(other < 0, 0, np.searchsorted(start, other * span + last + 1, "right", sorter=order) - low)
    here = np.repeat(np.arange(len(key)), times)
    there = order[np.arange(len(here)) - np.repeat(times.cumsum() - times - low, times)]
    return (np.minimum(here, there) * (len(key) + 1) + np.maximum(here, there))[here != there]


def _check_distinct(events, places, distinct, problems):
    settled = set(distinct[["event_id", "other_id"]].itertuples(index=False, name=None))
    line = dict(zip(events["event_id"], events.index + 2))
    for one, other in near_pairs(events, places).itertuples(index=False, name=None):
        if (one, other) not in settled:
            problems.append(f"events.csv, row {line[other]}, column event_id: {other!r} may be the same as {one!r} in row {line[one]} (place and day are near); make them one, or say in distinct.csv what tells them apart (rule: distinct)")


def _line(path, row, column, value, says, rule):
    return f"{path}, row {row}, column {column}: " + (f"{value[:80]!r} " if value else "") + f"{says} (rule: {rule})"
