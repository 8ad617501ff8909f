"""Operations, the gateway's door and the paths that lead there say the same: http://hl7.org/fhir/R4/operations.html"""

import pytest

from docs.offers import EVERY_OPERATION
from gateway.authorize import read_interaction
from services.fhir.operations import Operation
from services.fhir.outcomes import FhirError


def paths(operation: Operation) -> list[str]:
    kind = operation.types[0] if operation.types else "Observation"
    places = {"system": "", "type": f"{kind}/", "instance": f"{kind}/1/"}
    return [f"{places[level]}${operation.name}" for level in operation.levels]


@pytest.mark.parametrize("operation", EVERY_OPERATION, ids=lambda o: o.definition.rpartition("/")[2])
def test_the_gateway_asks_for_the_letters_that_the_operation_names(operation: Operation) -> None:
    for path in paths(operation):
        for method in operation.methods:
            assert read_interaction(method, path).letters == operation.letters, path


def test_a_job_is_asked_for_by_its_client_without_any_letter() -> None:
    assert read_interaction("GET", "$job/1").letters == ""
    assert read_interaction("DELETE", "$job/1").type == "*"
    assert read_interaction("GET", "$job/1/2.Patient.ndjson").path == "$job/1/2.Patient.ndjson"
    with pytest.raises(FhirError):
        read_interaction("DELETE", "$job/1/2.Patient.ndjson")


def test_what_changes_something_needs_more_than_reading() -> None:
    """Who may read breaks the glass, in order to read; plans are proposed, and looked at once more where they are to be stored."""
    with_reading = {o.name for o in EVERY_OPERATION if o.affects_state and o.letters == "r"}
    assert with_reading == {"break-glass", "propose", "reconcile"}
    assert [o.name for o in EVERY_OPERATION if not o.affects_state and set(o.letters) - set("rs")] == []
