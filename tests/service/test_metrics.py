"""What is measured, who may see it, and that it names nobody: https://prometheus.io/docs/instrumenting/exposition_formats/"""

import re
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.keys import KeyPair
from services.kit.metrics import Measured, Metrics
from services.kit.peers import Peers
from tests.builders import patient
from tests.front import Front
from tests.house import Fhir
from tests.matchers import assert_outcome

LABELS = {"service", "process", "route", "method", "status", "le", "state", "reader", "job", "owner"}


async def measured(peers: Peers, service: str = "records") -> dict[str, list[Any]]:
    answer = await peers.call(service, "GET", "/metrics", [], b"")
    assert answer.status == 200
    return {family.name: family.samples for family in text_string_to_metric_families(answer.body.decode())}


def count(metrics: dict[str, list[Any]], **labels: str) -> float:
    samples = metrics["yiyang_request_seconds"]
    return float(sum(s.value for s in samples if s.name.endswith("_count") and labels.items() <= s.labels.items()))


async def test_requests_are_counted_by_route_method_and_status(house: Peers, fhir: Fhir) -> None:
    before = await measured(house)
    stored = await fhir.created(patient())
    assert (await fhir.get(f"/Patient/{stored['id']}")).status_code == 200
    assert (await fhir.get("/Patient/nobody-there")).status_code == 404
    after = await measured(house)
    one, kind = "/fhir/{type}/{id}", "/fhir/{type}"
    for labels in (
        {"route": kind, "method": "POST", "status": "201"},
        {"route": one, "method": "GET", "status": "200"},
        {"route": one, "method": "GET", "status": "404"},
    ):
        assert count(after, **labels) - count(before, **labels) == 1, labels
    assert count(after, service="records") == count(after)


async def test_pools_jobs_and_readers_of_the_outbox_are_told(house: Peers, fhir: Fhir) -> None:
    await fhir.created(patient())
    found = await measured(house)
    pool = {s.labels["state"]: s.value for s in found["yiyang_pool_connections"]}
    assert pool["most"] >= pool["open"] >= pool["idle"] >= 0
    assert {"yiyang_outbox_lag_seconds", "yiyang_jobs", "yiyang_timers_due"} <= found.keys()
    assert all(s.value >= 0 for s in found["yiyang_outbox_lag_seconds"])
    assert "yiyang_jobs" not in await measured(house, "care")


async def test_no_label_names_anybody(house: Peers, fhir: Fhir) -> None:
    stored = await fhir.created(patient(name=[{"text": "云来客"}]))
    await fhir.get(f"/Patient?family=云来客&_id={stored['id']}")
    await fhir.call("BREW", f"/Patient/{stored['id']}")
    found = await measured(house)
    samples = [sample for family in found.values() for sample in family]
    assert {name for sample in samples for name in sample.labels} <= LABELS
    told = {value for sample in samples for value in sample.labels.values()}
    assert not [value for value in told if stored["id"] in value or "云来客" in value or "BREW" in value]
    assert count(found, method="other") >= 1
    assert all(re.fullmatch(r"[\w /{}$*.:+-]*", value) for value in told), told


async def test_the_gateway_shows_it_to_who_has_the_right(house: Peers, front: Front, keys: KeyPair) -> None:
    await front.register(keys, "system/Patient.rs ops/metrics")
    async with front.connect(front.replica(house)) as http:
        assert_outcome(await http.get("/metrics"), 401, "login")
        refused = await http.get("/metrics", headers=await front.bearer(keys, "system/Patient.rs"))
        assert_outcome(refused, 403, "forbidden")
        assert 'scope="ops/metrics"' in refused.headers["www-authenticate"]
        await http.get("/fhir/Patient/nobody-there", headers=await front.bearer(keys, "system/Patient.rs"))
        answer = await http.get("/metrics", headers=await front.bearer(keys, "ops/metrics"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family.samples for family in text_string_to_metric_families(answer.text)}
    assert {s.labels["service"] for s in families["yiyang_pool_connections"]} == {
        "gateway",
        "records",
        "referral",
        "care",
    }
    for service, route in (("gateway", "/fhir/{type}/{id}"), ("records", "/fhir/{type}/{id}")):
        assert count(families, service=service, route=route, status="404") >= 1
    assert count(families, service="gateway", route="/metrics", status="401") == 1
    assert answer.text.count("# TYPE yiyang_request_seconds histogram") == 1


async def test_a_service_that_is_away_tells_nothing_and_the_others_do(front: Front, keys: KeyPair) -> None:
    await front.register(keys, "ops/metrics")
    async with Peers({"records": "http://127.0.0.1:9"}) as away, front.connect(front.replica(away)) as http:
        answer = await http.get("/metrics", headers=await front.bearer(keys, "ops/metrics"))
    assert answer.status_code == 200
    assert 'service="gateway"' in answer.text


@pytest.mark.parametrize("path", ["/fhir/metrics", "/fhir/records/metrics", "/internal/metrics"])
async def test_no_other_path_of_the_gateway_leads_there(front: Front, keys: KeyPair, path: str) -> None:
    await front.register(keys)
    answer = await front.http.get(path, headers=await front.bearer(keys))
    assert "yiyang_request_seconds" not in answer.text


async def test_an_app_that_fails_is_counted_as_a_failure() -> None:
    metrics = Metrics("records")

    async def fails(_scope: Any, _receive: Any, _send: Any) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await Measured(fails, metrics, "/fhir")({"type": "http", "method": "GET"}, None, None)
    assert 'route="/fhir",service="records",status="500"' in (await metrics.text()).decode()
