"""What an elder is told of who looked at her record: docs/adr/0016"""

from tests.house import Fhir


async def operations_told(elder: Fhir, patient: str, organization: str) -> int:
    """How many operations of the organization the disclosures of `patient` tell."""
    bundle = (await elder.get(f"/{patient}/$disclosures?_count=500")).json()
    events = [each["resource"] for each in bundle.get("entry", ())]
    who = {"reference": f"Organization/{organization}"}
    return sum(e["subtype"][0]["code"] == "operation" and who in [a["who"] for a in e["agent"]] for e in events)
