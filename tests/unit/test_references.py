"""Links of a transaction are replaced byte by byte: http://hl7.org/fhir/R4/http.html#trules"""

import json
from typing import Any

import jiter
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fhir.references import literal_references, relative, rewrite

_UUID = "urn:uuid:c6b4f7a4-5b3c-4d62-a9f0-6f3d1c1c2b7a"
_URL = "http://his.example.org/fhir/Practitioner/7"
_MAPPING = {
    _UUID: "Patient/1",
    _URL: "Practitioner/2",
    "urn:oid:1.2.3": "Device/3",
    "Patient?identifier=s|v": "Patient/4",
}


def _rewritten(raw: str, mapping: dict[str, str] | None = None) -> str:
    resource = jiter.from_json(raw.encode(), float_mode="decimal")
    return rewrite(raw.encode(), resource, _MAPPING if mapping is None else mapping).decode()


@pytest.mark.parametrize(
    ("element", "expected"),
    [
        (f'"subject":{{"reference":"{_UUID}"}}', '"subject":{"reference":"Patient/1"}'),
        (f'"subject" : {{ "reference"\n:\t"{_UUID}" }}', '"subject" : { "reference"\n:\t"Patient/1" }'),
        (f'"subject":{{"reference":"{_UUID}#part"}}', '"subject":{"reference":"Patient/1#part"}'),
        (f'"performer":[{{"reference":"{_URL}"}}]', '"performer":[{"reference":"Practitioner/2"}]'),
        (f'"performer":[{{"reference":"{_URL}/_history/4"}}]', '"performer":[{"reference":"Practitioner/2"}]'),
        (f'"performer":[{{"reference":"{_URL}8"}}]', f'"performer":[{{"reference":"{_URL}8"}}]'),
        ('"device":{"reference":"urn:oid:1.2.3"}', '"device":{"reference":"Device/3"}'),
        ('"subject":{"reference":"Patient?identifier=s|v"}', '"subject":{"reference":"Patient/4"}'),
        (f'"extension":[{{"url":"u","valueUri":"{_UUID}"}}]', '"extension":[{"url":"u","valueUri":"Patient/1"}]'),
        (f'"extension":[{{"url":"u","valueUrl":"{_UUID}"}}]', '"extension":[{"url":"u","valueUrl":"Patient/1"}]'),
        (f'"_status":{{"extension":[{{"url":"u","valueUuid":"{_UUID}"}}]}}', '"_status":{"extension":[{"url":"u","valueUuid":"Patient/1"}]}'),
        ('"extension":[{"url":"u","valueOid":"urn:oid:1.2.3"}]', '"extension":[{"url":"u","valueOid":"Device/3"}]'),
        (f'"contained":[{{"resourceType":"Task","for":{{"reference":"{_UUID}"}}}}]', '"contained":[{"resourceType":"Task","for":{"reference":"Patient/1"}}]'),
    ],
)  # fmt: skip
def test_references_and_uris_become_relative_and_nothing_else_moves(element: str, expected: str) -> None:
    raw = '{"resourceType": "Observation",\n "valueQuantity": {"value": 1.00},%s , "status":"\\u0066inal"}'
    assert _rewritten(raw % element) == raw % expected


@pytest.mark.parametrize(
    "element",
    [
        f'"extension":[{{"url":"u","valueCanonical":"{_UUID}"}}]',
        f'"extension":[{{"url":"u","valueString":"{_UUID}"}}]',
        f'"extension":[{{"url":"u","valueCode":"{_UUID}"}}]',
        f'"identifier":[{{"system":"urn:ietf:rfc:3986","value":"{_UUID}"}}]',
        f'"subject":{{"display":"{_UUID}","identifier":{{"value":"{_UUID}"}}}}',
        f'"note":[{{"text":"see {_UUID}"}}]',
        f'"note":[{{"text":"<a href=\\"{_UUID}\\">"}}]',
        f'"meta":{{"profile":["{_UUID}"]}}',
        f'"unknown":{{"reference":"{_UUID}"}}',
        f'"contained":[{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Task","for":{{"reference":"{_UUID}"}}}}}}]}}]',
        '"subject":{"reference":"#inside"}',
        f'"subject":[["{_UUID}",[{{"reference":"{_UUID}"}}]]]',
        f'"contained":{{"resourceType":["{_UUID}"],"subject":{{"reference":"{_UUID}"}}}}',
    ],
)
def test_canonicals_and_plain_text_are_never_replaced(element: str) -> None:
    raw = f'{{"resourceType":"Observation",{element}}}'
    assert _rewritten(raw) == raw


def test_the_same_text_is_replaced_where_it_is_a_reference_only() -> None:
    raw = '{"resourceType":"Observation","identifier":[{"value":"%s"}],"subject":{"display":"%s","reference":"%s"},"note":[{"text":"%s"}]}'
    assert _rewritten(raw % (_UUID, _UUID, _UUID, _UUID)) == raw % (_UUID, _UUID, "Patient/1", _UUID)


@pytest.mark.parametrize(
    "escaped",
    [_UUID.replace(":", "\\u003a"), "\\u0075" + _UUID[1:], _URL.replace("/", "\\/"), _URL + "\\/_history\\/3"],
)
def test_an_escaped_link_is_the_same_link(escaped: str) -> None:
    raw = '{"resourceType":"Observation","note":[{"text":"%s"},{"text":"a \\" %s"}],"subject":{"reference":"%s"}}'
    expected = "Patient/1" if "uuid" in escaped else "Practitioner/2"
    assert _rewritten(raw % (escaped, escaped, escaped)) == raw % (escaped, escaped, expected)


def test_links_of_the_narrative_are_replaced_between_its_escapes() -> None:
    raw = (
        '{"resourceType":"Patient","text":{"status":"generated","div":"\\u003cdiv xmlns=\\"http:\\/\\/www.w3.org\\/1999\\/xhtml\\">'
        "\\ud83d\\ude00 李 <a title='x' href=\\\"%s\\\">%s<\\/a> <img src = '%s'\\/> <a name='%s'\\/><\\/div>\"}}"
    )
    link, image = _URL.replace("/", "\\/"), _UUID + "#p"
    assert _rewritten(raw % (link, _UUID, image, _UUID)) == raw % ("Practitioner/2", _UUID, "Patient/1#p", _UUID)


def test_without_a_link_the_text_is_the_same_object() -> None:
    raw = b'{"resourceType":"Patient","birthDate":"1940-01-01"}'
    assert rewrite(raw, json.loads(raw), _MAPPING) is raw
    assert rewrite(raw, json.loads(raw), {}) is raw


def test_a_text_and_a_resource_that_differ_are_an_error() -> None:
    with pytest.raises(ValueError, match="differ"):
        rewrite(b'{"a":"urn:uuid:1"}', {"resourceType": "Patient", "a": "urn:uuid:2"}, _MAPPING)


_texts = st.sampled_from(
    [_UUID, _URL, _UUID + "#f", "Patient/1", '"', "\\", '\\"urn:uuid:', ' "', "<div>", "http://", "李", "urn:uuid:"]
) | st.text('a\\"/<u:李😀\n ', max_size=8)
_elements = st.fixed_dictionaries(
    {},
    optional={
        "status": _texts,
        "subject": st.fixed_dictionaries({}, optional={"display": _texts, "reference": _texts}),
        "instantiatesUri": st.lists(_texts | st.none()),
        "note": st.lists(
            st.fixed_dictionaries({}, optional={"authorString": _texts, "text": _texts, 'a"\\urn:': _texts})
        ),
        "performer": st.lists(st.fixed_dictionaries({"reference": _texts})),
    },
)


def _by_walking(resource: dict[str, Any]) -> dict[str, Any]:
    """Replace in the parsed resource, where ServiceRequest has its references and uris."""

    def target(link: str) -> str:
        url, sign, fragment = link.partition("#")
        return _MAPPING[url] + sign + fragment if url in _MAPPING else link

    copy: dict[str, Any] = json.loads(json.dumps(resource))
    for reference in (copy.get("subject", {}), *copy.get("performer", ())):
        if "reference" in reference:
            reference["reference"] = target(reference["reference"])
    if "instantiatesUri" in copy:
        copy["instantiatesUri"] = [each and target(each) for each in copy["instantiatesUri"]]
    return copy


_spellings = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.sampled_from([None, 1]),
        "separators": st.sampled_from([(",", ":"), (" , ", " : ")]),
    }
)


@given(_elements, _spellings)
def test_any_text_is_aligned_with_its_resource(elements: dict[str, Any], spelling: dict[str, Any]) -> None:
    resource = {"resourceType": "ServiceRequest", **elements}
    raw = json.dumps(resource, **spelling).encode()
    assert rewrite(raw, resource, _MAPPING) == json.dumps(_by_walking(resource), **spelling).encode()


def test_literal_references_are_found_wherever_r4_has_a_reference() -> None:
    resource = {
        "resourceType": "Observation",
        "contained": [{"resourceType": "Task", "for": {"reference": "Patient/1"}}],
        "extension": [{"url": "u", "valueReference": {"reference": "Device/1", "display": "Device/2"}}],
        "subject": {"reference": "Patient/2", "identifier": {"assigner": {"reference": "Organization/1"}}},
        "note": [{"authorReference": {"reference": "Practitioner/1"}, "text": "Patient/9"}],
    }
    expected = ["Patient/1", "Device/1", "Patient/2", "Organization/1", "Practitioner/1"]
    assert [*literal_references(resource)] == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("https://own.example/fhir/Patient/1", "Patient/1"),
        ("Patient/1/_history/2", "Patient/1"),
        ("https://own.example/fhirs/Patient/1", "https://own.example/fhirs/Patient/1"),
        ("https://other.example/Patient/1/_history/2", "https://other.example/Patient/1"),
        ("urn:uuid:1", "urn:uuid:1"),
    ],
)
def test_this_servers_absolute_references_are_relative(reference: str, expected: str) -> None:
    assert relative(reference, "https://own.example/fhir/") == expected
