"""Indicators: each as plain Python reckons it from the same resources, for an institution, a county, and all that one supervises (docs/indicators.md)."""

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from services.care.app import create_app
from services.care.indicators.load import load_indicators
from services.fhir.validation import parse, validate
from services.kit.database import Database, role_of
from services.kit.settings import ServiceSettings
from tests.builders import CHINA, coded, encounter, episode_of_care, observation, organization, transaction
from tests.bulk import database
from tests.county import CANONICAL, COUNTIES, SYSTEM, YEAR, County, Oracle
from tests.house import BASE, HIS, KEY, Fhir, in_one_process
from tests.matchers import assert_outcome

__all__ = ["database"]

Json = dict[str, Any]

PERIOD = f"periodStart={YEAR}&periodEnd={YEAR}"
BATCH = 200


async def settled(fhir: Fhir, county: County) -> None:
    """Everything is written by a registry of its own, which is none of the institutions."""
    entries = [*county.entries()]
    writer = fhir.as_(organization=f"{county.stem}-registry")
    for n in range(0, len(entries), BATCH):
        answer = await writer.post("/", transaction(*entries[n : n + BATCH]))
        assert answer.status_code == 200, answer.text


async def supervised(fhir: Fhir, county: County, lead: str, kind: str = "oversight", **period: str) -> None:
    """Each institution says itself who supervises it."""
    for institution in county.institutions:
        affiliation = {
            "resourceType": "OrganizationAffiliation",
            "active": True,
            "organization": {"reference": f"Organization/{lead}"},
            "participatingOrganization": {"reference": f"Organization/{institution}"},
            "code": [coded(f"{SYSTEM}/affiliation-type", kind)],
            **({"period": period} if period else {}),
        }
        await fhir.as_(organization=institution).created(affiliation)


async def evaluated(fhir: Fhir, measure: str, organization: str, more: str = "") -> Json:
    answer = await fhir.as_(organization=organization).get(f"/Measure/{measure}/$evaluate-measure?{PERIOD}{more}")
    assert answer.status_code == 200, answer.text
    validate(parse(answer.content, "MeasureReport"))
    report: Json = answer.json()
    return report


def numbers(group: Json) -> tuple[int | None, int | None]:
    """The numbers of a group or a stratum; None where one is masked or not there."""
    found = [each.get("count") for each in group["population"]]
    return found[0], found[1] if len(found) > 1 else None


def groups(report: Json) -> Iterator[tuple[str, Json]]:
    indicator = load_indicators()[report["measure"].rpartition("/")[2].partition("|")[0]]
    return (
        (f"{indicator.name}/{group.code}", told) for group, told in zip(indicator.groups, report["group"], strict=True)
    )


@pytest.mark.parametrize("seed", range(3))
async def test_each_figure_is_what_plain_python_makes_of_the_same_resources(fhir: Fhir, seed: int) -> None:
    county = County(seed, people=60)
    await settled(fhir, county)
    for institution in county.institutions:
        wanted = {name: figure() for name, figure in Oracle(county, institution).figures().items()}
        found: dict[str, Any] = {}
        for measure in sorted({name.partition("/")[0] for name in wanted}):
            found |= {name: numbers(told) for name, told in groups(await evaluated(fhir, measure, institution))}
        assert {name: found[name] for name in wanted} == wanted


async def test_an_institution_has_its_own_figures_and_nobody_elses(fhir: Fhir) -> None:
    county = County(7, people=5)
    await settled(fhir, county)
    one, other = county.institutions[:2]
    path = f"/Measure/disability-share/$evaluate-measure?{PERIOD}"
    assert (await fhir.as_(organization=one).get(f"{path}&subject=Organization/{one}")).status_code == 200
    assert_outcome(await fhir.as_(organization=one).get(f"{path}&subject=Organization/{other}"), 403, "forbidden")
    assert_outcome(await fhir.as_(organization="nobody-known").get(path), 403, "forbidden")


@pytest.mark.parametrize("by_register", [False, True])
async def test_nobody_has_anothers_figures_by_calling_it_a_part_of_its_own(fhir: Fhir, *, by_register: bool) -> None:
    """Neither in the entry of another nor in an own one that comes under it."""
    mark = uuid4().hex[:8]
    home, taker, ward = f"home-{mark}", f"taker-{mark}", f"ward-{mark}"
    own, other = fhir.as_(organization=home), fhir.as_(organization=taker)
    maker = fhir.as_(organization=f"register-{mark}") if by_register else None
    entry: Json
    inside = {"partOf": {"reference": f"Organization/{home}"}}
    for client, entry in ((own, {"id": home}), (other, {"id": taker}), (own, {"id": ward} | inside)):
        entry |= {"type": [coded(f"{SYSTEM}/institution-type", "nursing-home")]}
        answer = await (maker or client).put(f"/Organization/{entry['id']}", organization(**entry))
        assert answer.status_code == 201, answer.text
    for part in (home, ward):
        await own.created(bed(part))
    assert await beds_of(fhir, home) == 2
    there = (await own.get(f"/Organization/{home}")).json()
    taken = there | {"partOf": {"reference": f"Organization/{taker}"}}
    assert_outcome(await other.put(f"/Organization/{home}", taken), 403, "forbidden", "Organization")
    assert_outcome(await other.delete(f"/Organization/{home}"), 403, "forbidden", "Organization")
    assert (await (maker or own).put(f"/Organization/{home}", there | {"name": "x"})).status_code == 200
    assert (await own.put(f"/Organization/{ward}", (await own.get(f"/Organization/{ward}")).json())).status_code == 200
    assert (await beds_of(fhir, taker), await beds_of(fhir, home)) == (0, 2)


def bed(institution: str) -> Json:
    return {
        "resourceType": "Location",
        "status": "active",
        "physicalType": coded("http://terminology.hl7.org/CodeSystem/location-physical-type", "bd"),
        "operationalStatus": {"system": "http://terminology.hl7.org/CodeSystem/v2-0116", "code": "U"},
        "extension": [{"url": f"{CANONICAL}/StructureDefinition/bed-nature", "valueCode": "nursing"}],
        "managingOrganization": {"reference": f"Organization/{institution}"},
    }


async def beds_of(fhir: Fhir, institution: str) -> int | None:
    return numbers((await evaluated(fhir, "nursing-beds", institution))["group"][0])[0]


async def test_a_person_and_who_may_not_read_reports_are_told_no_figures(fhir: Fhir) -> None:
    path = f"/Measure/occupancy/$evaluate-measure?{PERIOD}"
    assert_outcome(await fhir.as_(practitioner="Patient/1").get(path), 403, "forbidden")
    assert_outcome(await fhir.as_(scopes=("system/Measure.rs",)).get(path), 403, "forbidden")


async def test_a_supervisor_is_told_sums_of_counties_and_of_all_and_no_small_numbers(fhir: Fhir) -> None:
    county = County(11, people=90)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead)
    report = await evaluated(fhir, "elder-health-management", lead)
    (told,) = report["group"]
    wanted = [Oracle(county, each).health_management() for each in county.institutions]
    assert numbers(told) == tuple(map(sum, zip(*wanted, strict=True)))
    by_place = {s["value"]["coding"][0]["code"]: numbers(s) for each in told["stratifier"] for s in each["stratum"]}
    assert {*COUNTIES, *county.institutions} == {*by_place}
    for institution, (whole, part) in zip(county.institutions, wanted, strict=True):
        for shown, number in zip(by_place[institution], (whole, part), strict=True):
            assert shown in (None, number)
            assert shown is None or shown == 0 or shown >= 5
        assert part is not None
        if 0 < whole - part < 5:
            assert by_place[institution][1] is None


async def test_a_supervisor_is_told_of_one_institution_what_the_whole_table_tells(fhir: Fhir) -> None:
    county = County(12, people=60)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead)
    whole = (await evaluated(fhir, "family-doctor", lead))["group"][0]
    by_place = {s["value"]["coding"][0]["code"]: numbers(s) for each in whole["stratifier"] for s in each["stratum"]}
    for institution in county.institutions:
        alone = await evaluated(fhir, "family-doctor", lead, f"&subject=Organization/{institution}")
        assert numbers(alone["group"][0]) == by_place[institution]
        assert "stratifier" not in alone["group"][0]


async def test_a_county_is_named_by_a_place_in_it(fhir: Fhir) -> None:
    county = County(13, people=40)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead)
    extension = [{"url": f"{CANONICAL}/StructureDefinition/division-code", "valueCode": COUNTIES[0]}]
    region = await fhir.created(
        {"resourceType": "Location", "name": "county", "address": {"extension": extension, "text": "x"}}
    )
    report = await evaluated(fhir, "nursing-beds", lead, f"&subject=Location/{region['id']}")
    own = [Oracle(county, each).nursing_beds() for n, each in enumerate(county.homes) if n % 2 == 0]
    assert numbers(report["group"][0]) == tuple(map(sum, zip(*own, strict=True)))


async def test_oversight_tells_figures_and_opens_no_record(fhir: Fhir) -> None:
    county = County(18, people=4)
    await settled(fhir, county)
    lead, patient = f"{county.stem}-bureau", county.of("Patient")[0]["id"]
    await supervised(fhir, county, lead)
    assert (await evaluated(fhir, "occupancy", lead))["group"]
    assert_outcome(await fhir.as_(organization=lead).get(f"/Patient/{patient}"), 404, "not-found")
    assert (await fhir.as_(organization=lead).get("/EpisodeOfCare?_summary=count")).json()["total"] == 0


async def test_a_lead_of_a_consortium_is_told_figures_too(fhir: Fhir) -> None:
    county = County(19, people=4)
    await settled(fhir, county)
    lead = f"{county.stem}-lead"
    await supervised(fhir, county, lead, "supervision")
    assert (await evaluated(fhir, "occupancy", lead))["group"]


@pytest.mark.parametrize("period", [{"end": "2025-01-01T00:00:00Z"}, {"start": "2099-01-01T00:00:00Z"}])
async def test_oversight_counts_within_its_period_and_when_the_overseen_has_said_it(fhir: Fhir, period: Json) -> None:
    county = County(20, people=2)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead, **period)
    path = f"/Measure/occupancy/$evaluate-measure?{PERIOD}"
    assert_outcome(await fhir.as_(organization=lead).get(path), 403, "forbidden")
    own = {
        "resourceType": "OrganizationAffiliation",
        "organization": {"reference": f"Organization/{lead}"},
        "participatingOrganization": {"reference": f"Organization/{county.institutions[0]}"},
        "code": [coded(f"{SYSTEM}/affiliation-type", "oversight")],
    }
    await fhir.as_(organization=lead).created(own)
    asked = await fhir.as_(organization=lead).get(f"{path}&subject=Organization/{county.institutions[0]}")
    assert_outcome(asked, 403, "forbidden")


async def test_an_authority_of_a_division_is_one_by_the_setting(clean_database: str) -> None:
    settings = ServiceSettings(
        database_url=clean_database,
        internal_key=SecretStr(KEY),
        public_base=BASE,
        supervisors={"bureau-of-one": (COUNTIES[0],), "bureau-elsewhere": ("32",)},
        smallest_cell=2,
    )
    async with in_one_process(clean_database, settings) as peers:
        fhir, county = Fhir(peers, HIS), County(22, people=40)
        await settled(fhir, county)
        (told,) = (await evaluated(fhir, "family-doctor", "bureau-of-one"))["group"]
        strata = {s["value"]["coding"][0]["code"]: numbers(s) for each in told["stratifier"] for s in each["stratum"]}
        assert {*strata} == {each for n, each in enumerate(county.homes) if n % 2 == 0} | {county.clinics[0]}
        assert 1 not in {number for each in strata.values() for number in each}
        path = f"/Measure/family-doctor/$evaluate-measure?{PERIOD}"
        assert_outcome(await fhir.as_(organization="bureau-elsewhere").get(path), 403, "forbidden")
        other = f"{path}&subject=Organization/{county.homes[1]}"
        assert_outcome(await fhir.as_(organization="bureau-of-one").get(other), 403, "forbidden")


@pytest.mark.parametrize("kind", ["subject", "subject-list", "patient-list"])
async def test_a_supervisor_gets_no_list_of_persons(fhir: Fhir, kind: str) -> None:
    county = County(14, people=3)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead)
    path = f"/Measure/disability-share/$evaluate-measure?{PERIOD}&reportType={kind}"
    assert_outcome(await fhir.as_(organization=lead).get(path), 403, "forbidden")


async def test_a_supervisors_period_is_a_calendar_year(fhir: Fhir) -> None:
    county = County(15, people=3)
    await settled(fhir, county)
    lead = f"{county.stem}-bureau"
    await supervised(fhir, county, lead)
    path = f"/Measure/disability-share/$evaluate-measure?periodStart={YEAR}-01-01&periodEnd={YEAR}-12-30"
    assert_outcome(await fhir.as_(organization=lead).get(path), 422, "not-supported", "periodStart")
    assert (await fhir.as_(organization=county.institutions[0]).get(path)).status_code == 200


async def test_a_target_goes_by_year(fhir: Fhir) -> None:
    county = County(16, people=3)
    await settled(fhir, county)

    async def least(year: int) -> Any:
        path = f"/Measure/elder-health-management/$evaluate-measure?periodStart={year}&periodEnd={year}"
        report = (await fhir.as_(organization=county.clinics[0]).get(path)).json()
        parts = report["group"][0].get("extension", [{"extension": []}])[0]["extension"]
        return next((p["valueDecimal"] for p in parts if p["url"] == "atLeast"), None)

    assert [await least(year) for year in (2016, 2017, 2019, 2020, 2025)] == [None, 0.65, 0.65, 0.70, 0.70]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Measure/$evaluate-measure?periodStart=2025&periodEnd=2025", 400, "value"),
        ("/Measure/none/$evaluate-measure?periodStart=2025&periodEnd=2025", 404, "not-found"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=2025", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=2025&periodEnd=2024", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=x&periodEnd=2024", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=0001&periodEnd=0001", 400, "value"),
        ("/Measure/elder-health-management/$evaluate-measure?periodStart=0050&periodEnd=0050", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=9999&periodEnd=9999", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=2025-01-01&periodEnd=9999-12-31", 400, "value"),
        ("/Measure/home-care/$evaluate-measure?periodStart=0030-01-01&periodEnd=0030-12-31", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=0001-01-01&periodEnd=2025", 400, "value"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=2025&periodEnd=2025&practitioner=1", 400, "not-supported"),
        ("/Measure/occupancy/$evaluate-measure?periodStart=2025&periodEnd=2025&subject=Group/1", 422, "not-supported"),
        (
            "/Measure/occupancy/$evaluate-measure?periodStart=2025&periodEnd=2025&subject=Patient/1",
            422,
            "not-supported",
        ),
    ],
)
async def test_what_is_asked_wrongly_is_refused_by_its_name(fhir: Fhir, path: str, status: int, code: str) -> None:
    assert_outcome(await fhir.get(path), status, code)


async def test_the_measures_are_published_and_only_the_platform_writes_them(fhir: Fhir, database_url: str) -> None:
    settings = ServiceSettings(database_url=database_url, internal_key=SecretStr(KEY), public_base=BASE)
    database = Database(database_url, role=role_of("care"))
    app = create_app(settings, database=database)
    query = f"/Measure?_count=100&url:below={CANONICAL}/Measure"
    async with app.router.lifespan_context(app), asyncio.timeout(20):
        while len(found := (await fhir.get(query)).json().get("entry", ())) < len(load_indicators()):
            await asyncio.sleep(0.05)
    await database.close()
    assert {each["resource"]["id"] for each in found} == {*load_indicators()}
    for each in found:
        validate(parse(json.dumps(each["resource"]).encode(), "Measure"))
    own = {"resourceType": "Measure", "status": "active", "url": f"{CANONICAL}/Measure/occupancy"}
    assert_outcome(await fhir.post("/Measure", own), 422, "business-rule", "Measure")
    assert_outcome(await fhir.delete("/Measure/occupancy"), 422, "business-rule", "Measure")


async def test_a_stored_report_is_seen_by_who_made_it_alone(fhir: Fhir) -> None:
    report = {
        "resourceType": "MeasureReport",
        "status": "complete",
        "type": "summary",
        "measure": f"{CANONICAL}/Measure/occupancy",
        "period": {"start": "2025", "end": "2025"},
    }
    made = await fhir.as_(organization="one-home").created(report)
    assert (await fhir.as_(organization="one-home").get(f"/MeasureReport/{made['id']}")).status_code == 200
    assert_outcome(await fhir.as_(organization="other-home").get(f"/MeasureReport/{made['id']}"), 404, "not-found")


async def test_an_assessment_is_shared_when_another_institution_has_read_it(fhir: Fhir) -> None:
    home, hospital = f"home-{uuid4().hex[:8]}", f"hospital-{uuid4().hex[:8]}"
    own, other = fhir.as_(organization=home), fhir.as_(organization=hospital)
    await own.put(f"/Organization/{home}", organization(id=home))
    elders = []
    for _ in range(2):
        elder = await own.created({"resourceType": "Patient"})
        subject = f"Patient/{elder['id']}"
        stay: Json = {"type": [coded(f"{SYSTEM}/service-mode", "residential")], "period": {"start": "2020-01-01"}}
        await own.created(episode_of_care(subject, managingOrganization={"reference": f"Organization/{home}"}, **stay))
        level = await own.created(
            observation(
                subject,
                code=coded(f"{SYSTEM}/gbt42195", "final-level"),
                effectiveDateTime=datetime.now(CHINA).date().isoformat(),
            )
        )
        elders.append((subject, level))
    subject, level = elders[0]
    team = {"resourceType": "CareTeam", "status": "active", "subject": {"reference": subject}}
    await own.created({**team, "participant": [{"member": {"reference": f"Organization/{hospital}"}}]})
    year = datetime.now(CHINA).year
    path = f"/Measure/shared-assessment/$evaluate-measure?periodStart={year}&periodEnd={year}"
    assert (await own.get(f"/Observation/{level['id']}")).status_code == 200
    assert numbers((await own.get(path)).json()["group"][0]) == (2, 0)
    assert (await other.get(f"/Observation/{level['id']}")).status_code == 200
    assert numbers((await own.get(path)).json()["group"][0]) == (2, 1)
    assert_outcome(await other.get(f"/Observation/{elders[1][1]['id']}"), 404, "not-found")
    assert numbers((await own.get(path)).json()["group"][0]) == (2, 1)


async def test_what_is_written_late_or_corrected_lowers_the_quality_of_its_author(fhir: Fhir) -> None:
    home = f"home-{uuid4().hex[:8]}"
    own = fhir.as_(organization=home)
    await own.put(f"/Organization/{home}", organization(id=home))
    now = datetime.now(CHINA)
    for hours in (1, 20, 30):
        when = (now - timedelta(hours=hours)).isoformat(timespec="seconds")
        made = await own.created(observation("Patient/elder-of-quality", effectiveDateTime=when))
    made["status"] = "corrected"
    assert (await own.put(f"/Observation/{made['id']}", made)).status_code == 200
    start, end = (now - timedelta(days=3)).date(), now.date() + timedelta(days=1)
    path = f"/Measure/data-quality/$evaluate-measure?periodStart={start}&periodEnd={end}"
    found = dict(groups((await own.get(path)).json()))
    assert numbers(found["data-quality/timeliness"]) == (3, 2)
    assert numbers(found["data-quality/validity"]) == (3, 2)


async def test_devices_duplicates_and_events_of_the_year_are_counted(fhir: Fhir) -> None:
    home = f"home-{uuid4().hex[:8]}"
    own, here = fhir.as_(organization=home), {"managingOrganization": {"reference": f"Organization/{home}"}}
    await own.put(f"/Organization/{home}", organization(id=home))
    elders = [f"Patient/{(await own.created({'resourceType': 'Patient'} | here))['id']}" for _ in range(3)]
    merged = {
        "resourceType": "Patient",
        "active": False,
        "link": [{"other": {"reference": elders[0]}, "type": "replaced-by"}],
    }
    await own.created(merged | here)
    vital = {"category": [coded("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs")]}
    device = {"device": {"reference": f"Device/{(await own.created({'resourceType': 'Device'}))['id']}"}}
    today, before = datetime.now(CHINA), datetime.now(CHINA) - timedelta(days=800)
    for elder, when, more in ((elders[0], today, device), (elders[0], today, {}), (elders[1], before, device)):
        await own.created(observation(elder, effectiveDateTime=when.isoformat(timespec="seconds"), **vital, **more))
    year = f"periodStart={(today - timedelta(days=300)).date()}&periodEnd={(today + timedelta(days=1)).date()}"
    quality = dict(groups((await own.get(f"/Measure/data-quality/$evaluate-measure?{year}")).json()))
    assert numbers(quality["data-quality/captured"]) == (2, 1)
    assert numbers(quality["data-quality/duplicates"]) == (4, 1)
    record = dict(groups((await own.get(f"/Measure/health-record/$evaluate-measure?{year}")).json()))
    assert numbers(record["health-record/used"]) == (3, 1)


async def test_consortia_visits_and_serious_events_are_counted(fhir: Fhir) -> None:
    home = f"home-{uuid4().hex[:8]}"
    own, itself = fhir.as_(organization=home), {"reference": f"Organization/{home}"}
    kinds = [coded(f"{SYSTEM}/institution-type", each) for each in ("nursing-home", "D400")]
    await own.put(f"/Organization/{home}", organization(id=home, type=kinds[:1]))
    asked = f"$evaluate-measure?periodStart={YEAR}&periodEnd={YEAR}"

    async def group(measure: str) -> Json:
        (found,) = (await own.get(f"/Measure/{measure}/{asked}")).json()["group"]
        return dict(found)

    assert numbers(await group("consortium-coverage")) == (0, 0)
    await own.created(organization(partOf=itself, type=kinds[1:]))
    assert numbers(await group("consortium-coverage")) == (1, 0)
    role = [coded(f"{SYSTEM}/affiliation-type", "consortium")]
    await own.created({"resourceType": "OrganizationAffiliation", "participatingOrganization": itself, "code": role})
    assert numbers(await group("consortium-coverage")) == (1, 1)

    elders = [
        f"Patient/{(await own.created({'resourceType': 'Patient', 'birthDate': birth, 'managingOrganization': itself}))['id']}"
        for birth in ("1940-01-01", "1940-01-01", "1999-01-01")
    ]
    for elder, kind, day in (
        (elders[0], "HH", f"{YEAR}-03-01"),
        (elders[1], "HH", f"{YEAR - 1}-03-01"),
        (elders[2], "HH", f"{YEAR}-03-01"),
    ):
        act = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": kind}
        await own.created(encounter(elder, at="finished", **{"class": act, "period": {"start": day, "end": day}}))
    assert numbers(await group("home-care")) == (2, 1)

    severe = coded("http://terminology.hl7.org/CodeSystem/adverse-event-seriousness", "Serious")
    for day, kind in ((f"{YEAR - 4}-05-01", "actual"), (f"{YEAR - 6}-05-01", "actual"), (f"{YEAR}-05-01", "potential")):
        event = {"resourceType": "AdverseEvent", "actuality": kind, "seriousness": severe, "date": day}
        await own.created(event | {"subject": {"reference": elders[0]}})
    events = await group("serious-events")
    assert numbers(events) == (1, None)
    target = {each["url"]: each for each in events["extension"][0]["extension"]}
    assert target["met"]["valueBoolean"] is False
