"""HL7 v2 comes in by the gateway's own doors: docs/v2.md, RFC 6750"""

from gateway.keys import KeyPair
from tests.front import Front
from tests.matchers import assert_outcome
from tests.v2 import MEDIA, adt, elder


async def test_a_message_reaches_the_records_as_its_client(front: Front, keys: KeyPair) -> None:
    await front.register(keys)
    content = adt("A04", elder())
    headers = {**await front.bearer(keys), "content-type": MEDIA}
    answer = await front.http.post("/v2", content=content, headers=headers)
    assert answer.status_code == 200
    seen = front.mirror.seen[-1]
    assert (seen["method"], seen["target"], seen["body"].encode()) == ("POST", "/fhir/$process-v2", content)
    assert (seen["caller"]["client"], seen["headers"]["content-type"]) == ("clinic-his", MEDIA)


async def test_a_message_without_a_token_stays_outside(front: Front) -> None:
    answer = await front.http.post("/v2", content=adt("A04", elder()), headers={"content-type": MEDIA})
    assert_outcome(answer, 401, "login")
    assert front.mirror.seen == []
