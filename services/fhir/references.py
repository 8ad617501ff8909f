"""Literal references: http://hl7.org/fhir/R4/references.html#literal"""


def relative(reference: str, base: str) -> str:
    """Give `Type/id` for a resource of this server (`base` ends with "/" or is empty); the version is left out.

    What another server or another scheme names stays as it is.
    """
    if base and reference.startswith(base):
        reference = reference[len(base) :]
    return reference.partition("/_history/")[0] if "/_history/" in reference else reference
