"""The slip is filled in with what was sent and with nothing else: docs/adr/0029"""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import msgspec
import pytest

from services.fhir.pages.document import Document
from services.fhir.pages.html import html
from services.fhir.pages.sheet import Sheet
from services.referral.slip.filled import slip
from services.referral.slip.papers import Papers
from tests import slips
from tests.builders import CHINA, coded, encounter, organization, practitioner

Json = dict[str, Any]

URL = "https://yiyang.example/fhir/Task/task-1"
AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
UP = """
双向转诊单（存根） Stub
转诊单号：FHSQ-20261120-0012
患者姓名[王秀英] 性别[女] 年龄[85岁] 档案编号[999000-0001]
家庭住址[乌海市海勃湾区滨河大道演示路1号] 联系电话[0473-0000008]
于 2026年11月20日 因病情需要，转入 甘德尔医院 单位 ＿＿＿＿＿＿ 科室 ＿＿＿＿＿＿ 接诊医生。
转诊医生（签字）[张文博] 日期[2026年11月20日]
双向转诊（转出）单 Referral slip, the way up
转诊单号：FHSQ-20261120-0012
致 甘德尔医院：
患者姓名[王秀英] 性别[女] 年龄[85岁]
医保号[] 门诊/住院/急诊[] 接收科室[] 知情同意书[]
现有患者 王秀英 因病情需要，需转入贵单位，请予以接诊。
初步印象 First impression
心力衰竭？
主要现病史（转出原因） Present illness, reason for referral
活动后胸闷气促三天，BNP 10³ pg/mL
主要既往史 Past history
· 高血压十余年
· 白内障术后
治疗经过 Course of treatment
吸氧、含服硝酸甘油
过敏史 Allergies
无（已询问）
生命体征 Vital signs
今日上门测量
血压：收缩压 168 mmHg；舒张压 96 mmHg（2026年11月20日 10:00）
转诊医生（签字）[张文博] 联系电话[0473-0000002]
机构[凤凰社区卫生服务中心] 日期[2026年11月20日]
状态：已提交·待受理　打印时间：2026年11月24日 17:00
"""
BACK = """
不作为就诊凭证
双向转诊单（存根） Stub
转诊单号：FHSQ-20261120-0012
患者姓名[王秀英] 性别[女] 年龄[85岁] 病案号[ZY-7]
家庭住址[乌海市海勃湾区滨河大道演示路1号] 联系电话[0473-0000008]
于 2026年11月20日 因病情需要，转回 甘德尔医院 单位 ＿＿＿＿＿＿ 科室 ＿＿＿＿＿＿ 接诊医生。
转诊医生（签字）[张文博] 日期[2026年11月20日]
双向转诊（回转）单 Referral slip, the way back
转诊单号：FHSQ-20261120-0012
致 甘德尔医院：
患者姓名[王秀英] 性别[女] 年龄[85岁] 住院病案号[ZY-7]
医保号[] 门诊/住院/急诊[] 接收科室[] 知情同意书[]
现有患者 王秀英 因病情需要，现转回贵单位，请予以接诊。
诊断结果 Diagnosis
慢性心力衰竭急性加重
主要检查结果 Main results
项目 | 结果
BNP | 420
治疗经过、下一步治疗方案及康复建议 Treatment, further plan and rehabilitation
利尿、扩血管治疗
低盐饮食，两周复诊
用药 Medication
呋塞米新增
转诊医生（签字）[张文博] 联系电话[0473-0000002]
机构[凤凰社区卫生服务中心] 日期[2026年11月20日]
状态：已提交·待受理　打印时间：2026年11月24日 17:00
"""


def filled(papers: Papers) -> Sheet:
    return slip(papers, URL, CHINA, AT)


def read(sheet: Sheet) -> str:
    """The lines that a person reads on the page."""
    body = html(sheet).decode().partition("<body>")[2]
    body = re.sub(r"<svg.*?</svg>|\n", "", body, flags=re.DOTALL)
    body = re.sub(
        r"<dt>(.*?)<small>.*?</small></dt><dd>(.*?)(?:<span class=\"pen\"></span>)?</dd></div>", r"\1[\2] ", body
    )
    body = re.sub(r"</t[dh]>(?=<t)", " | ", body)
    body = re.sub(r"</(?:p|h1|h2|dl|tr|div|footer)>|<div class=\"head\">", "\n", body)
    lines = (unescape(re.sub(r"<[^>]+>", "", line)).strip(" ") for line in body.split("\n"))
    return "\n".join(line for line in lines if line)


@pytest.mark.parametrize(("papers", "golden"), [(slips.papers(), UP), (slips.papers("down", "closed"), BACK)])
def test_a_slip_reads_as_the_national_form(papers: Papers, golden: str) -> None:
    assert read(filled(papers)) == golden.strip()


def test_what_nobody_said_is_a_blank_line() -> None:
    empty = Papers({"resourceType": "Task", "status": "draft"}, {"resourceType": "ServiceRequest"}, (), {})
    sheet = filled(empty)
    assert sheet.mark == "不作为就诊凭证", "a draft is no pass"
    assert [section.blocks for section in sheet.parts[1].sections] == [()] * 4
    assert not any(fact.text for part in sheet.parts for line in (*part.facts, *part.closing) for fact in line)
    assert "于 ＿＿＿＿＿＿年＿＿月＿＿日 因病情需要，转入 ＿＿＿＿＿＿ 单位" in read(sheet)
    assert html(sheet).count(b'<div class="blank">') == 8


@pytest.mark.parametrize("at", ["feedback-sent", "closed", "rejected", "withdrawn", "expired", "terminated", "voided"])
def test_an_ended_referral_is_no_pass(at: str) -> None:
    assert filled(slips.papers(at=at)).mark == "不作为就诊凭证"


@pytest.mark.parametrize("at", ["submitted", "received", "accepted", "scheduled", "in-transit", "treating"])
def test_a_live_referral_is_one(at: str) -> None:
    assert filled(slips.papers(at=at)).mark == ""


def test_who_receives_the_elder_is_told_once_it_is_known() -> None:
    output = [
        {"type": coded(f"{slips.SYSTEM}/referral-output", code), "valueReference": {"reference": name}}
        for code, name in (("department", "Organization/heart"), ("physician", "Practitioner/bater"))
    ]
    papers = slips.papers(at="accepted", output=output)
    papers.named["Organization/heart"] = {"resourceType": "Organization", "name": "心内科"}
    papers.named["Practitioner/bater"] = practitioner(name=[{"family": "巴", "given": ["特尔"]}])
    assert "单位 心内科 科室 巴特尔 接诊医生。" in read(filled(papers))


def test_what_was_sent_later_answers_for_what_it_has() -> None:
    papers = slips.papers()
    later = slips.papers(bundle=slips.package(slips.section("48765-2", "过敏史", "<p>青霉素（皮疹）</p>"))).package
    told = read(filled(Papers(papers.task, papers.order, papers.package + later, papers.named)))
    assert "青霉素（皮疹）" in told
    assert "无（已询问）" not in told
    assert "心力衰竭？" in told


def test_a_package_cannot_lend_an_institution_another_name() -> None:
    claimed = organization(id="clinic-1", name="冒名医院")
    papers = slips.papers(bundle=slips.package(others=(slips.elder(), claimed)))
    told = read(filled(papers))
    assert "机构[凤凰社区卫生服务中心]" in told
    assert "冒名医院" not in told


def test_the_kind_of_visit_and_the_consent_are_told() -> None:
    visit = encounter("Patient/elder-1", id="e1") | {"class": {"code": "EMER"}}
    papers = slips.papers(input=[{"type": {"text": "同意书"}, "valueReference": {"reference": "Consent/c1"}}])
    papers.order["encounter"] = {"reference": "Encounter/e1"}
    papers.named["Encounter/e1"] = visit
    assert "门诊/住院/急诊[急诊] 接收科室[] 知情同意书[已附]" in read(filled(papers))


def test_what_came_back_stands_behind_the_slip_by_which_the_elder_went() -> None:
    sent = slips.papers(at="closed")
    answer = Document(slips.back_package(), CHINA)
    told = read(filled(msgspec.structs.replace(sent, answer=answer)))
    out, sign, back = told.partition("双向转诊（回转）单")
    assert sign
    assert "双向转诊（转出）单" in out
    assert back.index("致 凤凰社区卫生服务中心：") < back.index("慢性心力衰竭急性加重") < back.index("呋塞米新增")
    assert "机构[甘德尔医院]" in back
    assert "住院病案号[ZY-7]" in back
