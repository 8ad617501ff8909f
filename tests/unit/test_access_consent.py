"""Consents as rules, labels, purposes, identities and whose a resource is: docs/adr/0011"""

from datetime import UTC, datetime
from typing import Any

import pytest

from services.fhir.access.consent import denials_of, permissions_of, withdrawals_of
from services.fhir.access.directory import directory_types
from services.fhir.access.identity import identities_of
from services.fhir.access.labels import clearance, labels_of, removed
from services.fhir.access.patients import element_of, patients_of
from services.fhir.access.persons import same_person
from services.fhir.search.index import index

Json = dict[str, Any]

NOW = datetime(2026, 5, 1, tzinfo=UTC)
RECIPIENT = {"role": {"text": "IRCP"}, "reference": {"reference": "Organization/hospital"}}
TREAT = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
OBSERVATION = {"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}


def consent(*rules: Json, **root: Any) -> Json:
    return {"resourceType": "Consent", "status": "active", "provision": {**root, "provision": list(rules)}}


def permit(**changes: Any) -> Json:
    return {"type": "permit", "actor": [RECIPIENT], "purpose": [TREAT], **changes}


def test_only_nested_provisions_are_rules() -> None:
    assert not permissions_of({"provision": permit()}, "p")
    (found,) = permissions_of(consent(permit(**{"class": [OBSERVATION]})), "p")
    assert (found.organization, found.types) == ("hospital", ("Observation",))
    assert "ETREAT" in (found.purposes or ())


@pytest.mark.parametrize(
    "changes",
    [
        {"class": [{"system": "urn:x", "code": "unknown"}]},
        {"purpose": [{"code": "TREAT"}]},
        {"data": [{"meaning": "instance", "reference": {"reference": "Observation/1"}}]},
        {"securityLabel": [{"code": "R"}]},
        {"period": {"end": "2026"}},
        {"actor": [{"role": {"text": "x"}, "reference": {"reference": "Practitioner/1"}}]},
    ],
)
def test_a_permission_that_is_not_understood_permits_nothing(changes: Json) -> None:
    assert not permissions_of(consent(permit(**changes)), "p")


@pytest.mark.parametrize("changes", [{"class": [{"system": "urn:x", "code": "unknown"}]}, {"purpose": [{"code": "x"}]}])
def test_a_denial_that_is_not_understood_denies_more(changes: Json) -> None:
    (found,) = denials_of(consent({"type": "deny", **changes}), "p")
    assert (found.organization, found.types, found.purposes) == (None, None, None)


def test_an_exception_is_kept_with_its_denial() -> None:
    (found,) = denials_of(consent({"type": "deny", "provision": [permit()]}), "p")
    assert [e.organization for e in found.exceptions] == ["hospital"]


def test_a_denial_inside_a_permission_is_about_the_same_recipient() -> None:
    (found,) = denials_of(consent(permit(provision=[{"type": "deny", "class": [OBSERVATION]}])), "p")
    assert (found.organization, found.types) == ("hospital", ("Observation",))


def test_a_withdrawal_denies_what_was_permitted() -> None:
    (found,) = withdrawals_of(consent(permit()), "p", NOW)
    assert (found.organization, found.begins, found.withdrawn) == ("hospital", NOW, True)


def test_labels_that_limit_are_those_of_known_systems() -> None:
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    labelled = {"meta": {"security": [{"system": system, "code": "V"}, {"system": system, "code": "N"}, {"code": "R"}]}}
    assert labels_of(labelled) == ("V",)
    assert clearance("TREAT", ()) == ("R",)
    assert clearance("HOPERAT", ("PSY",)) == ("PSY",)


def test_a_label_is_removed_by_who_is_cleared_for_it() -> None:
    assert removed(("R", "V"), ("R",), ("R",)) == ("V",)
    assert removed(("R", "V"), (), ("R", "V")) == ()


def test_one_number_has_one_key_whatever_its_system_is_called() -> None:
    systems = ("urn:oid:2.16.156.10011.1.3", "http://NamingSystem.hl7fhir.cn/identityDocument")
    keys = {identities_of({"identifier": [{"system": s, "value": " 11010519491231002x "}]}) for s in systems}
    assert keys == {("urn:oid:2.16.156.10011.1.3|11010519491231002X",)}
    assert identities_of({"identifier": [{"system": "urn:mrn", "value": "1"}]}) == ()


def test_the_facts_of_a_person_are_compared_exactly() -> None:
    known = {"name": [{"text": "王秀英"}, {"use": "old", "text": "王英"}], "birthDate": "1940-01-02"}
    assert same_person({"name": [{"text": "王 秀英"}], "birthDate": "1940-01-02"}, known)
    assert not same_person({"name": [{"text": "王秀"}], "birthDate": "1940-01-02"}, known)
    assert not same_person({"name": [{"text": "王秀英"}], "birthDate": "1940-01"}, known)
    assert not same_person({"name": [], "birthDate": "1940-01-02"}, known)


@pytest.mark.parametrize(
    ("resource", "patients"),
    [
        ({"resourceType": "Observation", "subject": {"reference": "Patient/a"}, "focus": [{"reference": "Patient/b"}]}, ("a",)),
        ({"resourceType": "Observation", "focus": [{"reference": "Patient/b"}]}, ()),
        ({"resourceType": "Task", "for": {"reference": "Patient/a"}}, ("a",)),
        ({"resourceType": "Appointment", "participant": [{"actor": {"reference": "Patient/a"}}, {"actor": {"reference": "Patient/b"}}]}, ("a", "b")),
        ({"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "Patient/b"}, "type": "seealso"}]}, ("a",)),
        ({"resourceType": "Group", "member": [{"entity": {"reference": "Patient/a"}}]}, ()),
        ({"resourceType": "List", "entry": [{"item": {"reference": "Patient/a"}}]}, ()),
        ({"resourceType": "Provenance", "target": [{"reference": "Patient/a"}]}, ("a",)),
        ({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Patient", "id": "a"}},
                                              {"resource": {"resourceType": "Composition", "subject": {"reference": "https://x/fhir/Patient/b"}}}]}, ("a", "b")),
        ({"resourceType": "Binary", "securityContext": {"reference": "Patient/a"}}, ("a",)),
    ],
)  # fmt: skip
def test_whose_a_resource_is(resource: Json, patients: tuple[str, ...]) -> None:
    kind = resource["resourceType"]
    assert patients_of(kind, resource.get("id", "x"), index(kind)(resource).tokens, resource) == patients


def test_an_element_is_named_for_who_must_mend_it() -> None:
    assert element_of("Observation", "subject") == "Observation.subject"
    assert element_of("Observation", "patient") == "Observation.subject"


def test_the_directory_holds_nobodys_record() -> None:
    assert {"Organization", "Practitioner", "Slot", "Questionnaire", "ValueSet", "Medication"} <= directory_types()
    assert not directory_types() & {
        "Patient", "Observation", "Bundle", "Binary", "Group", "AuditEvent", "Consent", "MedicationRequest", "Device",
    }  # fmt: skip
