"""The national slip 双向转诊单 on paper, while it counts and when it counts no more: docs/adr/0029"""

from typing import Final

from yiyang.story.cast import Order
from yiyang.story.stage import Player, Stage

NOT_VALID: Final = "不作为就诊凭证"


async def print_slip(stage: Stage, hospital: Player, up: Order) -> None:
    """The hospital files the 转出单 with which she came."""
    stage.chapter("打印双向转诊单", "the referral slip on paper")
    paper = await hospital.page(f"{up.task}/$slip", "application/pdf", "存根与转出单，PDF · stub and slip as PDF")
    stage.check(paper.startswith(b"%PDF-"), f"A4，内嵌中文字体，{len(paper) // 1024} KB · A4, Chinese fonts embedded")
    shown = (await hospital.page(f"{up.task}/$slip", "text/html", "同一张单，网页 · the same as a page")).decode()
    stage.check(
        "双向转诊（转出）单" in shown and NOT_VALID not in shown,
        "转诊进行中，可作凭证 · it counts while the referral lasts",
    )


async def print_copy(stage: Stage, home: Player, down: Order) -> None:
    """The home's copy of the 回转单, once everything is closed."""
    shown = (await home.page(f"{down.task}/$slip", "text/html", "回转单副本 · a copy of the way back's")).decode()
    stage.check("双向转诊（回转）单" in shown and NOT_VALID in shown, f"已结案：{NOT_VALID} · closed: no pass any more")
