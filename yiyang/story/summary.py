"""The page that tells the hospital who she is, before she comes: http://hl7.org/fhir/uv/ips/"""

from yiyang.story.stage import Player, Stage, resources

SECTIONS = 5


async def read(stage: Stage, hospital: Player, patient: str) -> None:
    """As FHIR and on paper."""
    stage.chapter("医院读患者摘要", "the hospital reads her summary")
    document = await hospital.get(f"{patient}/$summary", "国际患者摘要（IPS） · an International Patient Summary")
    titles = [section["title"] for section in resources(document)[0]["section"]]
    stage.check(len(titles) >= SECTIONS, f"{len(titles)} 节 · sections: {'、'.join(titles)}")
    allergies = [one for one in resources(document) if one["resourceType"] == "AllergyIntolerance"]
    stage.check(allergies, "含过敏史 · with her allergies")
    paper = await hospital.page(f"{patient}/$summary", "application/pdf", "同一摘要，PDF · the same on paper")
    stage.check(paper.startswith(b"%PDF-"), f"{len(paper) // 1024} KB")
