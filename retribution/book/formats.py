"""The dataset described for other tools: a function a format, all from ``datapackage.json`` and ``CITATION.cff``.

The records stand beside the tables, in ``data/`` of the built book and of ``data.zip``. No address and no DOI has been
given to the dataset yet: what identifies it is the SHA-256 of ``datapackage.json``, which holds that of every table.

There is no ``.zenodo.json``. Zenodo reads title, abstract, authors, keywords, licence and message from the CFF, and
version and day from the release; it ignores the CFF where a ``.zenodo.json`` is, so a second record could only drift.
The one thing lost is the CFF's ``type``: Zenodo files a release as software, to be set to dataset in its form, once.
"""

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ..dataset import DATA, MEASURES
from . import cite
from .cite import AUTHORS, BOOK, CITATION, FINGERPRINT, LICENCE
from .register import data as dataset

# What can be downloaded: the name, what it is for, where it is in the built book.
DOWNLOADS = [
    ("Everything", "the tables and all the records below in one archive", "data.zip"),
    ("Data Package 2.0", "every column, key, rule and hash, for frictionless and for this book", "data/datapackage.json"),
    ("CSV on the Web", "types and keys of the tables, for readers of linked data", "data/csvw-metadata.json"),
    ("Croissant 1.1", "types and keys of the tables, for machine learning", "data/croissant.json"),
    ("RO-Crate 1.2", "every file in the folder, for research archives", "data/ro-crate-metadata.json"),
    ("DataCite 4.5", "the record to deposit where a DOI is registered", "data/datacite.json"),
    ("Citation File Format 1.2", "title, authors, version and licence, for GitHub, Zenodo and Zotero", "data/CITATION.cff"),
    ("Licence", "the terms for text, figures and data", "data/LICENSE-text"),
]


def _tables():
    return [resource for resource in dataset().descriptor["resources"] if resource["format"] == "csv"]


def _hash(resource):
    return resource["hash"].removeprefix("sha256:")


def _period():
    events = dataset().events
    return f"{events['date_start'].min():%Y-%m-%d}/{events['date_end'].max():%Y-%m-%d}"


def _countries():
    """Return the countries of the events' places, those with most events first."""
    events = dataset().events.merge(dataset().places, on="place_id")
    return [country for country, _ in Counter(events["country"]).most_common()]


def _measures():
    """Return what is measured, by its name in the tables: columns of the reports, and series, which have no description."""
    fields = {field["name"]: field for field in next(table for table in _tables() if table["name"] == "reports")["schema"]["fields"]}
    columns = {name: (fields[name]["unit"], fields[name]["description"]) for measure in MEASURES for name in (f"{measure}_low", f"{measure}_high")}
    units = dataset().series.groupby("series_id", observed=True)["unit"].unique()
    return columns | {name: (unit[0] if len(unit) == 1 else None, None) for name, unit in units.items()}


def _references(resource):
    """Return (column, table, column there) of each reference to a key that is unique there, as both standards demand."""
    keys = {table["name"]: table["schema"].get("primaryKey") for table in _tables()}
    refers = [(key["fields"], key["reference"]["resource"] or resource["name"], key["reference"]["fields"]) for key in resource["schema"].get("foreignKeys", [])]
    return [(own[0], table, other[0]) for own, table, other in refers if keys[table] == other]


def _files(base):
    """Return the files of the data package as schema.org writes them, their addresses beginning with ``base``."""
    return [
        {"@id": resource["path"], "name": resource["path"], "description": resource["description"], "encodingFormat": resource["mediatype"]}
        | {"contentUrl": base + resource["path"], "contentSize": f"{resource['bytes']} B", "sha256": _hash(resource)}
        | ({"license": f"https://spdx.org/licenses/{resource['licenses'][0]['name']}"} if "licenses" in resource else {})
        for resource in dataset().descriptor["resources"]
    ]


def _about(book="#book"):
    """Return what schema.org says of the dataset, its files aside; every part has an ``@id``, the book ``book``."""
    descriptor = dataset().descriptor
    creators = [
        {"@id": author.get("orcid", f"#author-{number}")}
        | ({"@type": "Organization", "name": name} if "name" in author else {"@type": "Person", "name": name, "givenName": author["given-names"], "familyName": author["family-names"]})
        for number, (author, name) in enumerate(zip(CITATION["authors"], AUTHORS), 1)
    ]
    measures = [
        {"@id": f"#measure-{name}", "@type": "PropertyValue", "name": name, "unitText": unit, "description": description}
        for name, (unit, description) in _measures().items()
    ]
    return {
        "@type": "Dataset",
        "name": descriptor["title"],
        "description": descriptor["description"],
        "creator": creators,
        "publisher": creators,
        "version": CITATION["version"],
        "datePublished": str(CITATION["date-released"]),
        "license": LICENCE,
        "isAccessibleForFree": True,
        "inLanguage": "en",
        "keywords": CITATION["keywords"],
        "identifier": {"@id": "#fingerprint", "@type": "PropertyValue", "name": "fingerprint", "propertyID": "SHA-256 of datapackage.json", "value": FINGERPRINT},
        "isPartOf": {"@id": book, "@type": "Book", "name": BOOK},
        "temporalCoverage": _period(),
        "spatialCoverage": [{"@id": f"#place-{number}", "@type": "Place", "name": country} for number, country in enumerate(_countries(), 1)],
        "variableMeasured": [{key: value for key, value in measure.items() if value} for measure in measures],
    }


def schema_org(archive, up=""):
    """Return the dataset as schema.org's Dataset, with the file ``archive`` that is ``data.zip``, for a page that is ``up`` from the root of the book, such as "../"."""
    base = cite.address("") or up
    content = archive.read_bytes()
    whole = {"@type": "DataDownload", "name": "data.zip", "encodingFormat": "application/zip", "contentUrl": f"{base}data.zip"}
    whole |= {"contentSize": f"{len(content)} B", "sha256": hashlib.sha256(content).hexdigest()}
    return _about(f"{base}index.html") | {"distribution": [whole, *({"@type": "DataDownload"} | file for file in _files(f"{base}data/"))]}


def csvw():
    """Return the tables as CSV on the Web describes them."""
    def datatype(field):
        rules = field.get("constraints", {})
        if field["type"] == "string":
            form = "|".join(rules["enum"]) if "enum" in rules else rules.get("pattern")
            return {"base": "string"} | ({"format": form} if form else {}) | ({"maxLength": rules["maxLength"]} if "maxLength" in rules else {})
        limits = {"minimum": min(rules["enum"]), "maximum": max(rules["enum"])} if "enum" in rules else {key: rules[key] for key in ("minimum", "maximum") if key in rules}
        form = {"boolean": {"format": "true|false"}, "date": {"format": "yyyy-MM-dd"}}.get(field["type"], {})
        return {"base": "decimal" if field["type"] == "number" else field["type"]} | form | limits

    def table(resource):
        schema = resource["schema"]
        columns = [
            {"name": field["name"], "titles": field["name"], "datatype": datatype(field), "dc:description": field["description"]}
            | ({"required": True} if field.get("constraints", {}).get("required") else {})
            | ({"schema:unitText": field["unit"]} if "unit" in field else {})
            for field in schema["fields"]
        ]
        return {
            "url": resource["path"],
            "dc:title": resource["title"],
            "dc:description": resource["description"],
            "schema:sha256": _hash(resource),
            "schema:contentSize": f"{resource['bytes']} B",
            "tableSchema": {
                "columns": columns,
                **({"primaryKey": schema["primaryKey"]} if "primaryKey" in schema else {}),
                "foreignKeys": [{"columnReference": own, "reference": {"resource": f"{name}.csv", "columnReference": other}} for own, name, other in _references(resource)],
            },
        }

    descriptor = dataset().descriptor
    return {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "dc:title": descriptor["title"],
        "dc:description": descriptor["description"],
        "dc:creator": AUTHORS,
        "dc:issued": {"@value": str(CITATION["date-released"]), "@type": "xsd:date"},
        "dc:license": {"@id": LICENCE},
        "dc:isPartOf": BOOK,
        "dc:identifier": f"sha256:{FINGERPRINT}",
        "schema:version": CITATION["version"],
        "tables": [table(resource) for resource in _tables()],
    }


CROISSANT_TERMS = "arrayShape citeAs column containedIn equivalentProperty extract field fileObject fileProperty fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source subField transform"
CROISSANT_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in CROISSANT_TERMS.split()},
}
CROISSANT_TYPES = {"string": "sc:Text", "date": "sc:Date", "integer": "sc:Integer", "number": "sc:Float", "boolean": "sc:Boolean"}


def croissant():
    """Return the dataset as Croissant: its files by hash, and a record set a table."""
    def fields(resource):
        name = resource["name"]
        refers = {own: (f"{table}.csv", other) for own, table, other in _references(resource)}
        return [
            {"@type": "cr:Field", "@id": f"{name}/{field['name']}", "name": field["name"], "description": field["description"], "dataType": CROISSANT_TYPES[field["type"]]}
            | {"source": {"fileObject": {"@id": resource["path"]}, "extract": {"column": field["name"]}}}
            | ({"references": {"fileObject": {"@id": refers[field["name"]][0]}, "extract": {"column": refers[field["name"]][1]}}} if field["name"] in refers else {})
            for field in resource["schema"]["fields"]
        ]

    records = [
        {"@type": "cr:RecordSet", "@id": table["name"], "name": table["name"], "description": table["description"]}
        | ({"key": [{"@id": f"{table['name']}/{column}"} for column in table["schema"]["primaryKey"]]} if "primaryKey" in table["schema"] else {})
        | {"field": fields(table)}
        for table in _tables()
    ]
    files = [{"@type": "cr:FileObject"} | file for file in _files("")]
    return {"@context": CROISSANT_CONTEXT} | _about() | {"conformsTo": "http://mlcommons.org/croissant/1.1", "citeAs": cite.bibtex([cite.dataset()]), "distribution": files, "recordSet": records}


def ro_crate(folder):
    """Return ``folder`` as RO-Crate: one flat list of the dataset, its files, and whoever and whatever they name."""
    entities = {}

    def flat(thing):
        if isinstance(thing, list):
            return flat(thing[0]) if len(thing) == 1 else [flat(part) for part in thing]
        if not isinstance(thing, dict):
            return thing
        entities[thing["@id"]] = {key: flat(value) for key, value in thing.items()}
        return {"@id": thing["@id"]}

    descriptor = dataset().descriptor
    licence = {"@id": LICENCE, "@type": "CreativeWork", "name": descriptor["licenses"][0]["title"], "identifier": CITATION["license"]}
    titles = {resource["path"]: resource["licenses"][0]["title"] for resource in descriptor["resources"] if "licenses" in resource}
    files = [
        {"@type": "File"} | {key: value for key, value in file.items() if key != "contentUrl"}
        | ({"license": {"@id": file["license"], "@type": "CreativeWork", "name": titles[file["name"]]}} if "license" in file else {})
        for file in _files("")
    ]
    for name, what, path in DOWNLOADS:
        path = path.removeprefix("data/")
        if (folder / path).is_file():
            content = (folder / path).read_bytes()
            kind = "application/json" if path.endswith("json") else "text/plain"
            files.append({"@id": path, "@type": "File", "name": name, "description": what, "encodingFormat": kind, "contentSize": f"{len(content)} B", "sha256": hashlib.sha256(content).hexdigest()})
    flat({"@id": "./"} | _about() | {"license": licence, "hasPart": files})
    about = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "name": "RO-Crate metadata", "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"}, "about": {"@id": "./"}}
    return {"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": [about, *entities.values()]}


def datacite():
    """Return the record that a registrar of DOIs would be given, without a DOI."""
    data = dataset()
    creators = [
        {"name": name, "nameType": "Organizational"} if "name" in author
        else {"name": f"{author['family-names']}, {author['given-names']}", "nameType": "Personal", "givenName": author["given-names"], "familyName": author["family-names"]}
        for author, name in zip(CITATION["authors"], AUTHORS)
    ]
    issued = str(CITATION["date-released"])
    resources = data.descriptor["resources"]
    return {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Data Package"},
        "creators": creators,
        "titles": [{"title": data.descriptor["title"]}],
        "publisher": {"name": "; ".join(AUTHORS)},
        "publicationYear": issued[:4],
        "dates": [{"date": issued, "dateType": "Issued"}, {"date": _period(), "dateType": "Other", "dateInformation": "Days covered"}],
        "language": "en",
        "version": CITATION["version"],
        "subjects": [{"subject": word} for word in CITATION["keywords"]],
        "descriptions": [{"description": data.descriptor["description"], "descriptionType": "Abstract"}],
        "rightsList": [{"rights": data.descriptor["licenses"][0]["title"], "rightsUri": LICENCE, "rightsIdentifier": CITATION["license"], "rightsIdentifierScheme": "SPDX", "schemeUri": "https://spdx.org/licenses/"}],
        "geoLocations": [{"geoLocationPlace": country} for country in _countries()],
        "alternateIdentifiers": [{"alternateIdentifier": FINGERPRINT, "alternateIdentifierType": "SHA-256 of datapackage.json"}]
        + [{"alternateIdentifier": _hash(resource), "alternateIdentifierType": f"SHA-256 of {resource['path']}"} for resource in resources],
        "sizes": [f"{resource['path']}: {resource['bytes']} B" for resource in resources],
        "formats": sorted({resource["mediatype"] for resource in resources}),
        "relatedItems": [{"relationType": "IsPartOf", "relatedItemType": "Book", "titles": [{"title": BOOK}]}],
    }


class Downloads(SphinxDirective):
    """The table of what can be downloaded: ``{downloads}``."""

    def run(self):
        up = "../" * self.env.docname.count("/")
        rows = "".join(f'<tr><th scope="row"><a href="{up}{path}" download>{name}</a></th><td>{what}</td></tr>' for name, what, path in DOWNLOADS)
        head = '<thead><tr><th scope="col">File</th><th scope="col">What it is for</th></tr></thead>'
        return [nodes.raw("", f'<div class="table-wrapper docutils container"><table class="docutils"><caption>Downloads</caption>{head}<tbody>{rows}</tbody></table></div>', format="html")]


def write(folder):
    """Put the tables, the licence, the CFF and every record into ``folder``, which must not exist."""
    folder = Path(shutil.copytree(DATA, folder, copy_function=shutil.copyfile))
    for inner in (folder, *folder.rglob("*/")):
        inner.chmod(0o755)  # those of the sources may be read-only
    for name in ("CITATION.cff", "LICENSE-text"):
        shutil.copyfile(DATA.parent / name, folder / name)
    for name, record in {"csvw-metadata": csvw, "croissant": croissant, "datacite": datacite, "ro-crate-metadata": lambda: ro_crate(folder)}.items():
        (folder / f"{name}.json").write_text(json.dumps(record(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def setup(app):
    """Add the directive."""
    app.add_directive("downloads", Downloads)
