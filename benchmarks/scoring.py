"""How many responses one core scores in a second, from the JSON text to the level: `python -m benchmarks.scoring`"""

import time
from typing import Final

import msgspec

from services.care.assessments.answers import answer_code, answers_of
from services.care.scoring.golden import answers_of as golden_answers
from services.care.scoring.instrument import Answer, Instrument
from services.care.scoring.load import load_instruments
from services.care.scoring.score import score

SECONDS: Final = 2.0


def main() -> None:
    for instrument in load_instruments().values():
        text = msgspec.json.encode(_response(instrument))
        print(f"{instrument.name:<18} {len(instrument.items):>3} items {_rate(text, instrument):>9,.0f} responses/s")


def _rate(text: bytes, instrument: Instrument) -> float:
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        score(instrument, answers_of(msgspec.json.decode(text), instrument))
        count += 1
    return count / (time.perf_counter() - started)


def _response(instrument: Instrument) -> dict[str, object]:
    answers = golden_answers(instrument, next(each for each in instrument.golden if not each.faults))
    items = [{"linkId": link_id, "answer": [_answer(instrument, link_id, given)]} for link_id, given in answers.items()]
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": items}


def _answer(instrument: Instrument, link_id: str, given: Answer) -> dict[str, object]:
    if isinstance(given, int):
        return {"valueInteger": given}
    return {"valueCoding": {"system": instrument.system, "code": answer_code(link_id, given)}}


if __name__ == "__main__":
    main()
