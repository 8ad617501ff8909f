"""The platform's own profiles, one StructureDefinition a file in `definitions/profiles`."""

from functools import cache
from importlib.resources import files
from typing import Any

import jiter

from services.fhir import definitions

Json = dict[str, Any]


@cache
def shipped_profiles() -> dict[str, Json]:
    """Give the profiles by their URLs."""
    folder = files(definitions).joinpath("profiles")
    resources = [jiter.from_json(file.read_bytes()) for file in folder.iterdir() if file.name.endswith(".json")]
    return {each["url"]: each for each in sorted(resources, key=lambda each: str(each["url"]))}


def shipped_profile(canonical: str) -> Json | None:
    """Find a profile, in the version that is asked for if one is."""
    url, _, version = canonical.partition("|")
    found = shipped_profiles().get(url)
    return found if found and version in ("", found.get("version")) else None


@cache
def profiles_of(type_: str) -> tuple[str, ...]:
    """Give the profiles of a resource type, as the CapabilityStatement lists them."""
    return tuple(url for url, each in shipped_profiles().items() if each["type"] == type_)
