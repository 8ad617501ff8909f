"""The elements of a summary out of the StructureDefinitions: http://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.isSummary"""

from collections import defaultdict
from collections.abc import Iterator

from services.fhir.definitions.package import Package


def summaries(package: Package) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give each resource type, and each backbone in it, with the elements that belong to a summary."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for definition in package.all("StructureDefinition"):
        if definition["kind"] == "resource" and definition.get("derivation") != "constraint":
            for element in definition["snapshot"]["element"][1:]:
                parent, _, name = str(element["path"]).rpartition(".")
                if element.get("isSummary"):
                    found[parent].append(name.removesuffix("[x]"))
    yield from ((parent, tuple(names)) for parent, names in sorted(found.items()))
