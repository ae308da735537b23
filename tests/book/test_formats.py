"""What the built book says of its data to other tools, and the files that it offers."""

import hashlib
import zipfile

import extruct

from conftest import HTML
from retribution.book.formats import DOWNLOADS


def test_the_page_of_downloads_describes_the_files_that_are_there(pages):
    found = extruct.extract((HTML / "chapters" / "cite.html").read_text(encoding="utf-8"), syntaxes=["json-ld"], errors="strict")["json-ld"]
    (dataset,) = (thing for page in found for thing in page["@graph"] if thing["@type"] == "Dataset")
    files = {file["contentUrl"]: file["sha256"] for file in dataset["distribution"]}
    assert "../data.zip" in files and len(files) >= 19
    assert files == {address: hashlib.sha256((HTML / "chapters" / address).read_bytes()).hexdigest() for address in files}


def test_every_download_is_there_and_the_archive_holds_the_folder(pages):
    page = pages["chapters/cite.html"]
    assert all((HTML / path).is_file() and f"../{path}" in page.links for _, _, path in DOWNLOADS)
    with zipfile.ZipFile(HTML / "data.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {path.relative_to(HTML).as_posix(): path.read_bytes() for path in (HTML / "data").rglob("*") if path.is_file()}
