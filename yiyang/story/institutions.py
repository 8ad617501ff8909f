"""Four made-up institutions of Wuhai 乌海 and their staff: http://hl7.org/fhir/R4/administration-module.html"""

from typing import Final, NamedTuple

from services.kit.identifiers import uscc
from yiyang.story import terms
from yiyang.story.elements import Json, coding, concept, identifier, reference, transaction, update
from yiyang.story.terms import local, meta


class Staff(NamedTuple):
    """One member of staff; `licence` is made up like the name."""

    id: str
    name: str
    role: tuple[str, str]
    licence: str


class Institution(NamedTuple):
    """One institution, which is one client of the gateway under the same name."""

    id: str
    name: str
    short: str
    uscc: str
    type: Json
    district: tuple[str, str]
    street: str
    phone: str
    staff: tuple[Staff, ...]
    ward: tuple[str, str]

    @property
    def department(self) -> Json:
        return reference(f"Organization/{self.id}-ward", self.ward[0])

    @property
    def bed(self) -> Json:
        return reference(f"Location/{self.id}-bed", self.ward[1])

    @property
    def reference(self) -> Json:
        return reference(f"Organization/{self.id}", self.name)

    def member(self, role: str) -> Json:
        """A reference to the member of staff in this role."""
        staff = next(one for one in self.staff if one.role[0] == role)
        return reference(f"Practitioner/{staff.id}", staff.name)


HOME: Final = Institution(
    id="wuhai-binhe-home",
    name="海勃湾区滨河养老院（演示）",
    short="BHYL",
    uscc=uscc("52", "150302", "DEMBH001"),
    type=local("institution-type", "nursing-home", "养老机构"),
    district=("150302", "海勃湾区"),
    street="滨河大道演示路1号",
    phone="0473-0000001",
    staff=(
        Staff("wuhai-binhe-nurse", "乌兰其其格", ("nurse", "护士"), "DEMO2024150300101"),
        Staff("wuhai-binhe-caregiver", "李春梅", ("caregiver", "护理员"), "DEMO2024150300102"),
    ),
    ward=("照护二区", "照护二区 6 床"),
)
CLINIC: Final = Institution(
    id="wuhai-fenghuang-clinic",
    name="海勃湾区凤凰社区卫生服务中心（演示）",
    short="FHSQ",
    uscc=uscc("12", "150302", "DEMFH002"),
    type=local("institution-type-ws218", "B100", "社区卫生服务中心"),
    district=("150302", "海勃湾区"),
    street="凤凰演示路2号",
    phone="0473-0000002",
    staff=(Staff("wuhai-fenghuang-doctor", "张文博", ("physician", "家庭医生"), "DEMO2024150300201"),),
    ward=("全科", "观察 1 床"),
)
HOSPITAL: Final = Institution(
    id="wuhai-gander-hospital",
    name="乌海市甘德尔医院（演示）",
    short="GDER",
    uscc=uscc("12", "150300", "DEMGD003"),
    type=local("institution-type-ws218", "A100", "综合医院"),
    district=("150304", "乌达区"),
    street="甘德尔演示街3号",
    phone="0473-0000003",
    staff=(
        Staff("wuhai-gander-cardiologist", "巴特尔", ("physician", "心内科医师"), "DEMO2024150300301"),
        Staff("wuhai-gander-nurse", "陈静", ("nurse", "护士"), "DEMO2024150300302"),
    ),
    ward=("心内科", "心内科 12 床"),
)
TCM_HOSPITAL: Final = Institution(
    id="wuhai-tumote-tcm-hospital",
    name="乌海市图默特蒙医中医医院（演示）",
    short="TMTZ",
    uscc=uscc("12", "150300", "DEMTM004"),
    type=local("institution-type-ws218", "A200", "中医医院"),
    district=("150303", "海南区"),
    street="图默特演示街4号",
    phone="0473-0000004",
    staff=(Staff("wuhai-tumote-physician", "斯琴", ("physician", "心病科医师"), "DEMO2024150300401"),),
    ward=("心病科", "心病科 3 床"),
)
INSTITUTIONS: Final = (HOME, CLINIC, HOSPITAL, TCM_HOSPITAL)


def directory_of(institution: Institution) -> Json:
    """A transaction in which an institution describes itself and its staff, under ids that stay the same."""
    people = [update(entry) for staff in institution.staff for entry in _staff(institution, staff)]
    places = [update(each) for each in _ward(institution)]
    return transaction(update(_organization(institution)), *places, *people)


def _ward(institution: Institution) -> tuple[Json, Json]:
    """The department that takes patients in, and a bed of it."""
    department, bed = institution.ward
    organization = {
        "resourceType": "Organization",
        "id": f"{institution.id}-ward",
        "meta": meta("yiyang-department", institution.id),
        "active": True,
        "name": department,
        "partOf": institution.reference,
    }
    location = {
        "resourceType": "Location",
        "id": f"{institution.id}-bed",
        "meta": meta("yiyang-bed", institution.id),
        "status": "active",
        "name": bed,
        "physicalType": concept(coding(f"{terms.HL7}/location-physical-type", "bd", "Bed")),
        "operationalStatus": coding(f"{terms.HL7}/v2-0116", "U", "Unoccupied"),
        "managingOrganization": institution.reference,
    }
    return organization, location


def _organization(institution: Institution) -> Json:
    code, district = institution.district
    return {
        "resourceType": "Organization",
        "id": institution.id,
        "meta": meta("yiyang-organization", institution.id),
        "identifier": [identifier(terms.USCC, institution.uscc)],
        "active": True,
        "type": [concept(institution.type)],
        "name": institution.name,
        "telecom": [{"system": "phone", "value": institution.phone, "use": "work"}],
        "address": [address(code, district, institution.street)],
    }


def address(code: str, district: str, street: str) -> Json:
    """An address in Wuhai with its division code, GB/T 2260."""
    division = {"url": f"{terms.CANONICAL}/StructureDefinition/division-code", "valueCode": code}
    return {
        "extension": [division],
        "use": "work",
        "text": f"内蒙古自治区乌海市{district}{street}",
        "line": [street],
        "city": "乌海市",
        "district": district,
        "state": "内蒙古自治区",
        "country": "CN",
    }


def _staff(institution: Institution, staff: Staff) -> tuple[Json, Json]:
    role = concept(local("staff-role", *staff.role))
    licence = identifier(terms.STAFF_NUMBER, staff.licence)
    practitioner = {
        "resourceType": "Practitioner",
        "id": staff.id,
        "meta": meta("yiyang-practitioner", institution.id),
        "identifier": [licence],
        "active": True,
        "name": [{"text": staff.name}],
        "qualification": [{"identifier": [licence], "code": role}],
    }
    practitioner_role = {
        "resourceType": "PractitionerRole",
        "id": staff.id,
        "meta": meta("yiyang-practitioner-role", institution.id),
        "active": True,
        "practitioner": reference(f"Practitioner/{staff.id}", staff.name),
        "organization": institution.reference,
        "code": [role],
    }
    return practitioner, practitioner_role
