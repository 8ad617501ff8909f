"""Pages show what a document says, and nothing in it acts: http://hl7.org/fhir/R4/documents.html#presentation"""

import io
import re
from datetime import UTC, datetime
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pypdf
import pypdfium2
import pytest
import zxingcpp

from services.fhir.definitions import resource_types
from services.fhir.headers import media
from services.fhir.outcomes import FhirError
from services.fhir.pages import words
from services.fhir.pages.answer import MEDIA
from services.fhir.pages.document import MISSING, Document
from services.fhir.pages.entries import line
from services.fhir.pages.html import html, policy
from services.fhir.pages.narrative import blocks_of
from services.fhir.pages.pdf import pdf
from services.fhir.pages.sheet import CUT, MAX_SECTION, MAX_SHEET, Fact, Grid, Paragraph, Part, Section, Sheet, fitted
from services.fhir.pages.whole import whole
from services.fhir.pages.xhtml import narrative
from tests import slips
from tests.builders import CHINA, UCUM, coded, observation
from tests.filled import filled

Json = dict[str, Any]

AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
URL = "https://yiyang.example/fhir/Task/0199f1c2-7b3e-7abc-9def-0123456789ab"
ATTACK = "\"'><script>alert(1)</script><img src=x onerror=alert(1)> #panic() $x$ {{ 7*7 }} ]] javascript:alert(1)"


def sheet(*blocks: Any, mark: str = "", url: str = URL) -> Sheet:
    part = Part(
        "双向转诊（转出）单",
        "up",
        facts=((Fact("患者姓名", "Name", "王秀英"),),),
        sections=(Section("初步印象", "x", blocks),),
    )
    return Sheet("双向转诊单", "slip", "FHSQ-0012", "转诊单号", (part,), "状态：已提交", url, mark)


def opened(sheet: Sheet) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(pdf(sheet, AT)))


def text_of(reader: pypdf.PdfReader) -> str:
    return "\n".join(page.extract_text() for page in reader.pages)


def test_a_pdf_holds_its_text_and_its_fonts() -> None:
    reader = opened(sheet(Paragraph("心力衰竭？呼吸 ≥ 24 次/分，𬭩，10⁹/L"), mark="不作为就诊凭证"))
    told = text_of(reader)
    for words_of_it in (
        "患者姓名",
        "王秀英",
        "心力衰竭？",
        "≥ 24 次/分",
        "转诊单号：FHSQ-0012",
        "不作为就诊凭证",
        "第 1 页 / 共 1 页",
    ):
        assert words_of_it in told
    assert reader.metadata is not None
    assert reader.metadata.title == "双向转诊单 FHSQ-0012"
    resources: list[Any] = [page["/Resources"] for page in reader.pages]
    fonts = [font.get_object() for each in resources for font in each["/Font"].values()]
    for font in fonts:
        inside = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
        assert re.fullmatch(r"/[A-Z]{6}\+Noto(Serif|Sans)SC.*", inside["/FontName"]), "a subset"
        assert "/FontFile3" in inside
    assert len(fonts) == 2
    root: Any = reader.trailer["/Root"]
    assert "/JavaScript" not in str(root)
    assert root["/MarkInfo"]["/Marked"], "tagged, for those who listen to it"


@pytest.mark.parametrize(
    "url", [URL, *(f"https://yiyang.example/fhir/Task/{n:036x}" for n in range(1, 2**142, 2**139))]
)
def test_the_code_is_the_bare_address(url: str) -> None:
    page = pypdfium2.PdfDocument(pdf(sheet(url=url), AT))[0].render(scale=3, grayscale=True)
    dots = memoryview(page.buffer).cast("B")[: page.stride * page.height].cast("B", shape=[page.height, page.stride])
    assert [found.text for found in zxingcpp.read_barcodes(dots)] == [url]


def test_a_long_text_flows_to_further_pages() -> None:
    long = "患者因反复胸闷气促入院。" * 400
    told = opened(sheet(Paragraph(long)))
    assert len(told.pages) > 1
    whole = "".join(text_of(told).split())
    assert whole.count("患者因反复胸闷气促入院。") > 300
    assert f"第{len(told.pages)}页/共{len(told.pages)}页" in whole


def test_the_same_slip_is_the_same_file() -> None:
    assert pdf(sheet(Paragraph("甲")), AT) == pdf(sheet(Paragraph("甲")), AT)


@pytest.mark.parametrize("block", [Paragraph(ATTACK), Grid((ATTACK,), ((ATTACK,),))])
def test_nothing_in_a_text_acts(block: Any) -> None:
    made = html(sheet(block, mark=ATTACK)).decode()
    elements = Elements()
    elements.feed(made)
    assert not elements.names & {"script", "img", "iframe", "object", "form", "input", "link", "base", "a"}
    assert not [name for name in elements.attributes if name.startswith("on") or name in ("src", "href", "style")]
    assert "{{ 7*7 }}" in made
    told = text_of(opened(sheet(block)))
    assert "#panic()" in told
    assert "$x$" in told


def test_the_policy_lets_nothing_in() -> None:
    assert policy().startswith("default-src 'none'; style-src 'sha256-")
    assert "sandbox" in policy()
    assert "script" not in policy()


def test_a_narrative_is_its_text() -> None:
    xhtml = (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>甲<b>乙</b><script>alert(1)</script></p><style>p{}</style>'
        "<ul><li>一</li><li>二<br/>三</li></ul><p>10<sup>9</sup>/L，H<sub>2</sub>O，x<sup>度</sup></p>"
        "<p>停用<del>阿司匹林</del></p>"
        "<table><thead><tr><th>药名</th><th>用法</th></tr></thead><tbody><tr><td>氨氯地平</td><td>5 mg<br/>每日一次</td></tr>"
        "<tr><td>呋塞米</td></tr></tbody></table><pre>甲  乙\n丙</pre>尾</div>"
    )
    assert blocks_of(xhtml) == (
        Paragraph("甲乙"),
        Paragraph("· 一"),
        Paragraph("· 二\n三"),
        Paragraph("10⁹/L，H₂O，x^(度)"),
        Paragraph("停用〔已删除：阿司匹林〕"),
        Grid(("药名", "用法"), (("氨氯地平", "5 mg\n每日一次"), ("呋塞米", ""))),
        Paragraph("甲  乙\n丙"),
        Paragraph("尾"),
    )


@pytest.mark.parametrize(
    "broken", [None, 7, "", "<div>", "<table><td>甲", "</table></tr>乙", "<script>", "<sup>", "&#x202e;&#0;丙"]
)
def test_a_broken_narrative_breaks_nothing(broken: object) -> None:
    assert all(isinstance(block, Paragraph | Grid) for block in blocks_of(broken))


def test_blocks_become_a_narrative_without_markup_of_their_own() -> None:
    blocks = (Paragraph("<b>a</b> & b\nc"), Grid(("项目", "结果"), (("<script>", "1"),)))
    made = narrative(blocks)
    assert made["status"] == "generated"
    assert "<p>&lt;b&gt;a&lt;/b&gt; &amp; b<br/>c</p>" in made["div"]
    assert "<script>" not in made["div"]
    read = blocks_of(made["div"])
    assert read == (Paragraph("<b>a</b> & b\nc"), blocks[1])


def test_a_table_within_a_table_is_a_part_of_its_cell() -> None:
    assert blocks_of("<table><tr><td>甲<table><tr><td>乙</td></tr></table></td><td>丙</td></tr></table>丁") == (
        Grid((), (("甲乙", "丙"),)),
        Paragraph("丁"),
    )


@pytest.mark.parametrize(
    ("resource", "told"),
    [
        (observation(code={"text": "心率"}, valueQuantity={"value": Decimal("72.0"), "unit": "次/分", "system": UCUM}),
         "心率：72.0 次/分（2024年5月1日 08:00）"),
        (observation(code={"text": "BNP"}, interpretation=[coded("x", "H")], valueQuantity={"value": 900, "comparator": ">", "unit": "pg/mL"},
                     referenceRange=[{"high": {"value": 100, "unit": "pg/mL"}}], effectiveDateTime="2024-05"),
         "BNP：>900 pg/mL ↑（参考 ≤100 pg/mL，2024年5月）"),
        ({"resourceType": "Condition", "code": {"coding": [{"code": "I10", "display": "Hypertension"}, {"display": "高血压"}]}, "onsetDateTime": "2010"},
         "高血压：2010年起"),
        ({"resourceType": "AllergyIntolerance", "code": {"text": "青霉素"}, "criticality": "high", "reaction": [{"manifestation": [{"text": "皮疹"}]}]},
         "青霉素：皮疹，高风险"),
        ({"resourceType": "MedicationStatement", "status": "stopped", "medicationCodeableConcept": {"text": "呋塞米"}, "dosage": [{"text": "20 mg 每日一次"}]},
         "呋塞米：20 mg 每日一次，已停用"),
        ({"resourceType": "Procedure", "status": "completed", "code": {"text": "冠脉造影"}, "performedDateTime": "2026-11-21"}, "冠脉造影：2026年11月21日"),
        ({"resourceType": "DiagnosticReport", "status": "final", "code": {"text": "心脏彩超"}, "conclusion": "左室射血分数 38 %"},
         "心脏彩超：左室射血分数 38 %"),
        ({"resourceType": "AdverseEvent", "event": {"text": "跌倒"}, "date": "2026-11-01", "outcome": {"text": "已处理"}}, "跌倒：2026年11月1日，已处理"),
        ({"resourceType": "RiskAssessment", "status": "final", "code": {"text": "跌倒风险"}, "occurrenceDateTime": "2026-11",
          "prediction": [{"qualitativeRisk": {"coding": [{"code": "high"}]}}]}, "跌倒风险：高，2026年11月"),
        ({"resourceType": "CarePlan", "status": "on-hold", "title": "康复计划", "activity": [{"detail": {"code": {"text": "步行训练"}}}],
          "period": {"start": "2026-11-01"}}, "康复计划：步行训练，2026年11月1日 起，暂停"),
        ({"resourceType": "EpisodeOfCare", "status": "active", "type": [{"text": "全托"}], "managingOrganization": {"display": "安康养老院"}}, "全托：安康养老院"),
        ({"resourceType": "DeviceUseStatement", "status": "active", "device": {"display": "胃管"}, "timingDateTime": "2026-11-01"}, "胃管：2026年11月1日"),
        ({"resourceType": "Device", "status": "active", "deviceName": [{"name": "助听器"}]}, "助听器"),
        ({"resourceType": "Consent", "status": "active", "category": [{"text": "不施行心肺复苏"}], "dateTime": "2026"}, "不施行心肺复苏：2026年"),
        ({"resourceType": "Immunization", "status": "completed", "vaccineCode": {"text": "流感疫苗"}, "occurrenceString": "去年秋天"}, "流感疫苗：去年秋天"),
        ({"resourceType": "Flag", "status": "active", "code": {"text": "吞咽困难"}}, "吞咽困难"),
    ],
)  # fmt: skip
def test_a_resource_is_one_line(resource: Json, told: str) -> None:
    found = line(resource, lambda _: None, CHINA)
    assert found is not None
    assert found.text == told


@pytest.mark.parametrize("resource_type", resource_types())
def test_every_type_can_stand_in_a_document(resource_type: str) -> None:
    """Whatever a section names leaves a trace on the page, unless it was taken back."""
    several = [each | {"id": f"r{n}", "status": "active"} for n, each in enumerate(filled(resource_type))]
    names = tuple(f"{resource_type}/{each['id']}" for each in several)
    document = Document(slips.package(slips.section("8716-3", "其他", entries=names), others=tuple(several)), CHINA)
    (section,) = document.sections()
    assert document.blocks(section)
    assert len(html(whole(document, AT))) > 1000


def test_what_was_taken_back_is_not_told() -> None:
    assert line(observation(status="entered-in-error"), lambda _: None, CHINA) is None


def test_a_section_says_that_what_it_names_is_missing() -> None:
    bundle = slips.package(slips.section("10160-0", "用药", entries=("MedicationStatement/nowhere",)))
    document = Document(bundle, CHINA)
    section = document.section("10160-0")
    assert section is not None
    assert document.blocks(section) == (Paragraph(MISSING),)


def test_sections_inside_of_sections_are_found_and_told() -> None:
    inner = slips.section("8716-3", "生命体征", "<p>脉搏 72</p>")
    outer = slips.section("47420-5", "评估", "<p>中度失能</p>") | {"section": [inner]}
    document = Document(slips.package(outer), CHINA)
    assert document.section("8716-3") == inner
    assert document.blocks(outer) == (Paragraph("中度失能"), Paragraph("【生命体征】"), Paragraph("脉搏 72"))


def test_a_sheet_has_an_end() -> None:
    long = Paragraph("长" * (MAX_SECTION * 2))
    sections = tuple(Section("节", "x", (long, Paragraph("后"))) for _ in range(30))
    made = fitted(Sheet("t", "t", "1", "n", (Part("p", "p", sections=sections),)))
    first = made.parts[0].sections[0].blocks
    assert first == (Paragraph("长" * MAX_SECTION), Paragraph(CUT))
    assert (
        sum(len(b.text) for s in made.parts[0].sections for b in s.blocks if isinstance(b, Paragraph)) < MAX_SHEET * 1.1
    )


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        ("1940-11-21", "2026-11-20", "85岁"),
        ("1940-11-20", "2026-11-20T01:00:00+08:00", "86岁"),
        ("1940-11", "2026-11-20", "约86岁"),
        ("1940", "2026-11-20", "约86岁"),
        ("2030-01-01", "2026-11-20", ""),
        (None, "2026-11-20", ""),
        ("1940-11-21", None, ""),
    ],
)
def test_an_age_is_as_sure_as_the_birth_date(birth: str | None, on: str | None, age: str) -> None:
    assert words.age(birth, on) == age


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("", "", "application/pdf"),
        ("*/*", "", "application/pdf"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", "text/html"),
        ("text/html;q=0.5, application/pdf", "", "application/pdf"),
        ("application/pdf;q=0, */*", "", "text/html"),
        ("application/fhir+json", "_format=text/html", "text/html"),
        ("text/html", "_format=application%2Fpdf", "application/pdf"),
        ("", "_format=html", "text/html"),
        ("text/*", "", "text/html"),
    ],
)
def test_the_client_chooses_the_form(accept: str, query: str, kind: str) -> None:
    assert media(accept, query, MEDIA) == kind


@pytest.mark.parametrize(
    ("accept", "query"), [("application/fhir+json", ""), ("", "_format=json"), ("image/png, ,", ""), ("*/*;q=0", "")]
)
def test_other_forms_are_refused(accept: str, query: str) -> None:
    with pytest.raises(FhirError) as refused:
        media(accept, query, MEDIA)
    assert refused.value.status == 406


def summary(status: str = "final") -> Document:
    """A document with a section of each kind."""
    pulse = observation(slips.PATIENT, id="o1", code={"text": "心率"}, effectiveDateTime="2026-11-20")
    wrong = observation(slips.PATIENT, id="o2", status="entered-in-error", code={"text": "录错"})
    elder = {"reference": slips.PATIENT}
    pill = {
        "resourceType": "MedicationStatement", "id": "m1", "status": "active", "subject": elder,
        "medicationCodeableConcept": {"text": "氨氯地平"}, "dosage": [{"text": "5 mg 每日一次"}],
    }  # fmt: skip
    penicillin = {
        "resourceType": "AllergyIntolerance", "id": "a1", "patient": elder, "code": {"text": "青霉素"}, "criticality": "high",
        "reaction": [{"manifestation": [{"text": "皮疹"}]}],
    }  # fmt: skip
    hypertension = {
        "resourceType": "Condition",
        "id": "c1",
        "subject": elder,
        "code": {"text": "高血压"},
        "onsetDateTime": "2010",
    }
    plan = {
        "resourceType": "CarePlan",
        "id": "p1",
        "status": "active",
        "intent": "plan",
        "subject": elder,
        "title": "防跌倒计划",
    }
    kinds = ("Observation/o1", "Observation/o2", "MedicationStatement/m1", "CarePlan/p1")
    bundle = slips.package(
        slips.section("11450-4", "诊断", "<p>见下</p>", ("Condition/c1",)),
        slips.section("48765-2", "过敏", entries=("AllergyIntolerance/a1",)),
        slips.section("8716-3", "其他", entries=kinds) | {"section": [slips.section("10183-2", "内", "<p>内文</p>")]},
        slips.section("11348-0", "既往史", empty="notasked"),
        others=(slips.elder(), pulse, wrong, pill, penicillin, hypertension, plan),
        title="健康摘要", status=status, custodian=slips.CLINIC,
    )  # fmt: skip
    return Document(bundle, CHINA)


def test_a_whole_document_is_a_page_of_tables() -> None:
    part = whole(summary(), AT).parts[0]
    assert part.title == "健康摘要"
    assert [fact.text for fact in part.facts[0]] == ["王秀英", "女", "1940年11月21日", "85岁"]
    assert [fact.text for line in part.closing for fact in line] == [
        "张文博", "张文博", "凤凰社区卫生服务中心", "2026年11月20日 11:00",
    ]  # fmt: skip
    assert [(section.title, section.blocks) for section in part.sections] == [
        ("诊断", (Paragraph("见下"), Grid(("诊断", "起病", "状态"), (("高血压", "2010年", ""),)))),
        ("过敏", (Grid(("过敏原", "反应", "风险", "状态"), (("青霉素", "皮疹", "高风险", ""),)),)),
        (
            "其他",
            (
                Grid(("项目", "结果", "参考范围", "时间"), (("心率", "72 次/分", "", "2026年11月20日"),)),
                Grid(("药品", "用法用量", "状态"), (("氨氯地平", "5 mg 每日一次", "在用"),)),
                Paragraph("防跌倒计划"),
            ),
        ),
        ("其他 › 内", (Paragraph("内文"),)),
        ("既往史", (Paragraph("未询问或未做"),)),
    ]


def test_who_made_the_narratives_may_leave_them_out_where_tables_stand() -> None:
    sections = {s.title: s.blocks for s in whole(summary(), AT, has_narratives=False).parts[0].sections}
    assert sections["诊断"] == (Grid(("诊断", "起病", "状态"), (("高血压", "2010年", ""),)),)
    assert sections["其他 › 内"] == (Paragraph("内文"),)


@pytest.mark.parametrize(
    ("status", "mark"), [("final", ""), ("preliminary", "草稿，未定稿"), ("entered-in-error", "作废")]
)
def test_a_document_that_does_not_hold_says_so(status: str, mark: str) -> None:
    page = whole(summary(status), AT)
    assert page.mark == mark
    told = text_of(opened(page))
    assert "健康摘要" in told
    assert "氨氯地平" in told
    assert mark in html(page).decode()


class Elements(HTMLParser):
    """Every element and attribute of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
