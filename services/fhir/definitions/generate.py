"""Write the facts of R4 from hl7.fhir.r4.core: `python -m services.fhir.definitions.generate [WHEEL]`"""

import sys
from pathlib import Path

import msgspec

from services.fhir.definitions.extract_codes import required_value_sets
from services.fhir.definitions.extract_invariants import invariants
from services.fhir.definitions.extract_search import compartments, search_parameters
from services.fhir.definitions.extract_summary import summaries
from services.fhir.definitions.extract_terminology import code_systems, concept_maps, value_sets
from services.fhir.definitions.extract_types import types
from services.fhir.definitions.package import open_package


def _write(file: str, header: dict[str, object], records: dict[str, object]) -> None:
    """Write one JSON object: the header, then a record a line, so that a diff shows what changed."""
    lines = (f"{_json(key)}:{_json(record)}" for key, record in {"": header, **records}.items())
    Path(__file__).with_name(file).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _json(value: object) -> str:
    """Leave out the last fields of an Element or an Invariant where they are its defaults."""
    return (
        msgspec.json.encode(value).decode().replace(",false,[],null]", "]").replace(",null]", "]").replace(',""]', "]")
    )


def main(place: str | None = None) -> None:
    package = open_package(place)
    required = required_value_sets(package)
    expanded = frozenset(value_set.url for value_set in required if value_set.systems)
    parameters, excluded = search_parameters(package)
    header: dict[str, object] = dict(package.header)
    _write("types.json", header, {each.name: each for each in types(package, expanded)})
    _write("invariants.json", header, dict(invariants(package)))
    _write("value-sets.json", header, {each.url: each for each in required})
    _write("search-parameters.json", header | {"excluded": excluded}, dict(parameters))
    _write("compartments.json", header, dict(compartments(package)))
    _write("summary.json", header, dict(summaries(package)))
    _write("code-systems.json", header, dict(code_systems(package)))
    _write("value-set-rules.json", header, dict(value_sets(package)))
    _write("concept-maps.json", header, dict(concept_maps(package)))


if __name__ == "__main__":
    main(*sys.argv[1:2])
