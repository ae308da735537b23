"""The records of the dataset in other formats: each is read by a reader of its own, and all say the same."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import extruct
import frictionless
import mlcroissant
import pytest
import yaml
from csvw import TableGroup
from datacite import schema45
from rocrate.rocrate import ROCrate

from retribution.book import cite, formats

ROOT = Path(__file__).parents[1]
CFF = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
PACKAGE = json.loads((ROOT / "data" / "datapackage.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats") / "data"
    formats.write(folder)
    archive = Path(shutil.make_archive(folder.parent / "data", "zip", folder))
    (folder / "page.html").write_text(cite.linked([formats.schema_org(archive)]), encoding="utf-8")
    return folder


def record(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def cells(name):
    with open(ROOT / "data" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Readers: each returns what it has read and raises on what it cannot read.


def frictionless_reads(folder):
    report = frictionless.Package.validate_descriptor(record(folder, "datapackage.json"))  # test_data.py has it read the rows
    assert report.valid, report.flatten(["message"])


def csvw_reads(folder):
    tables = TableGroup.from_file(folder / "csvw-metadata.json")
    keys = tables.validate_schema(strict=True)
    rows = {table.local_name: list(table.iterdicts(strict=True)) for table in tables.tables}
    for key in keys:
        known = {tuple(row[name] for name in key.pk) for row in rows[key.target_table.local_name]}
        assert {tuple(row[name] for name in key.fk) for row in rows[key.source_table.local_name]} <= known | {(None,)}, key.fk
    return {name: len(found) for name, found in rows.items()}


def mlcroissant_reads(folder):
    dataset = mlcroissant.Dataset(folder / "croissant.json")
    return {f"{records.uuid}.csv": len(list(dataset.records(records.uuid))) for records in dataset.metadata.record_sets}


def rocrate_reads(folder):
    crate = ROCrate(folder)
    files = {entity.id for entity in crate.data_entities}
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} - {"ro-crate-metadata.json", "page.html"} <= files
    assert all((folder / name).is_file() for name in files)
    return crate


def datacite_reads(folder):
    return schema45.validator.validate(record(folder, "datacite.json"))


def extruct_reads(folder):
    found = extruct.extract((folder / "page.html").read_text(encoding="utf-8"), syntaxes=["json-ld"], errors="strict")["json-ld"]
    (dataset,) = (thing for page in found for thing in page["@graph"] if thing["@type"] == "Dataset")
    return dataset


def check_jsonschema_reads(folder):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", folder / "CITATION.cff"]
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.parametrize("read", [csvw_reads, mlcroissant_reads])
def test_readers_find_every_row_of_every_table(folder, read):
    assert read(folder) == {resource["path"]: resource["rows"] for resource in PACKAGE["resources"] if resource["format"] == "csv"}


@pytest.mark.parametrize("read", [frictionless_reads, rocrate_reads, datacite_reads, extruct_reads, check_jsonschema_reads])
def test_readers_find_the_record_sound(folder, read):
    read(folder)


@pytest.mark.parametrize(
    "read, name, good, bad",
    [
        (frictionless_reads, "datapackage.json", '"type": "date"', '"type": "day"'),
        (csvw_reads, "csvw-metadata.json", '"base": "date"', '"base": "integer"'),
        (csvw_reads, "csvw-metadata.json", '"resource": "places.csv"', '"resource": "claims.csv"'),
        (csvw_reads, "actors.csv", "\nunknown_armed_group,", "\nsomebody,"),
        (mlcroissant_reads, "croissant.json", '"column": "event_id"', '"column": "no_such_column"'),
        (mlcroissant_reads, "croissant.json", '"contentUrl": "events.csv"', '"contentUrl": "rumours.csv"'),
        (rocrate_reads, "ro-crate-metadata.json", '"about"', '"abort"'),
        (rocrate_reads, "ro-crate-metadata.json", '"@id": "events.csv"', '"@id": "event.csv"'),
        (datacite_reads, "datacite.json", '"Dataset"', '"Data"'),
        (extruct_reads, "page.html", "}]}", "}}}"),
        (check_jsonschema_reads, "CITATION.cff", "license: CC-BY-4.0", "license: CC-BY-5.0"),
    ],
)
def test_readers_refuse_a_damaged_record(folder, tmp_path, read, name, good, bad):
    copy = Path(shutil.copytree(folder, tmp_path / "data"))
    text = (copy / name).read_text(encoding="utf-8")
    assert good in text
    (copy / name).write_text(text.replace(good, bad), encoding="utf-8")
    with pytest.raises(Exception) as refusal:
        read(copy)
    assert not isinstance(refusal.value, (ImportError, NameError, AttributeError))


# What the records say. No reader looks at a hash, so we do.


def said_by_csvw(folder):
    about = record(folder, "csvw-metadata.json")
    return {
        "title": about["dc:title"], "book": about["dc:isPartOf"], "version": about["schema:version"], "licence": about["dc:license"]["@id"],
        "authors": about["dc:creator"], "date": about["dc:issued"]["@value"], "fingerprint": about["dc:identifier"].removeprefix("sha256:"),
        "files": {table["url"]: (table["schema:sha256"], table["schema:contentSize"]) for table in about["tables"]},
    }


def said_by_schema_org(about):
    return {
        "title": about["name"], "book": about["isPartOf"]["name"], "version": about["version"], "licence": about["license"],
        "authors": [author["name"] for author in about["creator"]], "date": about["datePublished"], "fingerprint": about["identifier"]["value"],
        "files": {file["name"]: (file["sha256"], file["contentSize"]) for file in about["distribution"] if file["name"] != "data.zip"},
        "keywords": about["keywords"], "period": about["temporalCoverage"], "places": [place["name"] for place in about["spatialCoverage"]],
    }


def said_by_page(folder):
    return said_by_schema_org(extruct_reads(folder))


def said_by_croissant(folder):
    return said_by_schema_org(record(folder, "croissant.json"))


def said_by_ro_crate(folder):
    crate = rocrate_reads(folder)
    root = crate.root_dataset
    assert root["license"]["identifier"] == CFF["license"]
    for file in crate.data_entities:
        content = (folder / file.id).read_bytes()
        assert (file["sha256"], file["contentSize"]) == (hashlib.sha256(content).hexdigest(), f"{len(content)} B")
    return {
        "title": root["name"], "book": root["isPartOf"]["name"], "version": root["version"], "licence": root["license"].id,
        "authors": [root["creator"]["name"]], "date": root["datePublished"], "fingerprint": root["identifier"]["value"],
        "files": {file.id: (file["sha256"], file["contentSize"]) for file in crate.data_entities if file.id.endswith((".csv", ".geojson"))},
        "keywords": root["keywords"], "period": root["temporalCoverage"], "places": [place["name"] for place in root["spatialCoverage"]],
    }


def said_by_datacite(folder):
    about = record(folder, "datacite.json")
    hashes = {of["alternateIdentifierType"].removeprefix("SHA-256 of "): of["alternateIdentifier"] for of in about["alternateIdentifiers"]}
    sizes = dict(line.split(": ") for line in about["sizes"])
    dates = {date["dateType"]: date["date"] for date in about["dates"]}
    assert about["rightsList"][0]["rightsIdentifier"] == CFF["license"] and about["publicationYear"] == dates["Issued"][:4]
    return {
        "title": about["titles"][0]["title"], "book": about["relatedItems"][0]["titles"][0]["title"], "version": about["version"], "licence": about["rightsList"][0]["rightsUri"],
        "authors": [creator["name"] for creator in about["creators"]], "date": dates["Issued"], "fingerprint": hashes.pop("datapackage.json"),
        "files": {name: (hashes[name], sizes[name]) for name in hashes},
        "keywords": [subject["subject"] for subject in about["subjects"]], "period": dates["Other"], "places": [place["geoLocationPlace"] for place in about["geoLocations"]],
    }


@pytest.mark.parametrize("said_by", [said_by_csvw, said_by_page, said_by_croissant, said_by_ro_crate, said_by_datacite])
def test_every_record_says_what_the_files_say(folder, said_by):
    said = said_by(folder)
    events = cells("events.csv")
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.suffix in (".csv", ".geojson")}
    where = {place["place_id"]: place["country"] for place in cells("places.csv")}
    meant = {
        "title": PACKAGE["title"], "book": CFF["preferred-citation"]["title"], "version": CFF["version"], "licence": PACKAGE["licenses"][0]["path"],
        "authors": [author["name"] for author in CFF["authors"]], "date": CFF["date-released"],
        "fingerprint": hashlib.sha256((folder / "datapackage.json").read_bytes()).hexdigest(),
        "files": {name: (hashlib.sha256(content).hexdigest(), f"{len(content)} B") for name, content in files.items() if name.endswith(".csv") or said_by is not said_by_csvw},
        "keywords": CFF["keywords"], "period": f"{min(event['date_start'] for event in events)}/{max(event['date_end'] for event in events)}",
    }
    assert len(meant["files"]) >= 16
    places = said.pop("places", None)
    assert said == {key: meant[key] for key in said}
    if places:
        assert len(places) == len(set(places)) and set(places) == {where[event["place_id"]] for event in events} and places[0] == "Iraq"


def test_every_measure_is_named(folder):
    measures = {measure["name"]: measure.get("unitText") for measure in extruct_reads(folder)["variableMeasured"]}
    assert measures["killed_low"] == measures["wounded_high"] == "people" and measures["uranium_stock"] == "kg U"
    assert {row["series_id"] for row in cells("series.csv")} <= set(measures)


def test_no_address_and_no_doi_is_invented(folder):
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("csvw-metadata.json", "croissant.json", "ro-crate-metadata.json", "datacite.json", "page.html"))
    known = {"schema.org", "purl.org", "mlcommons.org", "www.w3.org", "w3id.org", "spdx.org", "datacite.org", "creativecommons.org"}
    assert set(re.findall(r"https?://([^/\"]+)", text)) == known
    assert not re.search(r'"doi"|\b10\.\d{4,}/', text, re.I)


def test_files_are_addressed_by_the_page_or_by_the_published_address(folder, monkeypatch):
    def addresses():
        return [file["contentUrl"] for file in formats.schema_org(folder.parent / "data.zip", "../")["distribution"]]

    assert addresses()[:2] == ["../data.zip", "../data/events.csv"]
    monkeypatch.setitem(formats.CITATION, "url", "https://example.org/book/")
    assert addresses()[:2] == ["https://example.org/book/data.zip", "https://example.org/book/data/events.csv"]


def test_a_person_is_described_as_a_person(folder, monkeypatch):
    person = {"given-names": "Ada", "family-names": "Lovelace", "orcid": "https://orcid.org/0000-0002-1825-0097"}
    monkeypatch.setitem(formats.CITATION, "authors", [person])
    monkeypatch.setattr(formats, "AUTHORS", ["Ada Lovelace"])
    creator = {"@id": person["orcid"], "@type": "Person", "name": "Ada Lovelace", "givenName": "Ada", "familyName": "Lovelace"}
    assert formats.schema_org(folder.parent / "data.zip")["creator"] == [creator] and creator in formats.ro_crate(folder)["@graph"]
    schema45.validator.validate(formats.datacite())
    assert formats.datacite()["creators"][0]["name"] == "Lovelace, Ada"
