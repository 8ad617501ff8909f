"""The deployable of care."""

from typing import Unpack

from fastapi import FastAPI

from services.care.alerts.business import Alerting
from services.care.alerts.chain import load_chains
from services.care.assessments.business import assessing
from services.care.assessments.questionnaire import questionnaire
from services.care.assessments.reserved import reserved
from services.care.business import at_their_time, governing, guarding
from services.care.indicators.load import load_indicators, load_targets
from services.care.indicators.measure import measure
from services.care.monitoring.hearing import HEARD, hearing
from services.care.monitoring.load import load_rules
from services.care.operations import operations
from services.care.operations.evaluate_measure import Kept
from services.care.plans.difference import differences
from services.care.plans.load import load_plans
from services.care.plans.plan_definition import plan_definition
from services.care.quality.surveys import load_surveys
from services.care.resources import SERVED
from services.care.rules import OPENINGS
from services.care.scoring.load import load_instruments
from services.fhir.deployable import Around, create_service
from services.fhir.publication import Publisher
from services.kit.settings import ServiceSettings


def create_app(settings: ServiceSettings, **around: Unpack[Around]) -> FastAPI:
    instruments = load_instruments(settings.instruments)
    indicators = load_indicators(settings.indicators)
    plans = load_plans(settings.care_plans)
    surveys = load_surveys(settings.surveys)
    forms = [*map(questionnaire, instruments.values()), *surveys.values()]
    alerting = Alerting(load_rules(settings.alert_rules), load_chains(settings.alert_chains))
    return create_service(
        "care",
        SERVED,
        settings,
        openings=OPENINGS,
        operations=operations(instruments, _kept(settings), plans),
        business=governing(assessing(instruments), alerting, instruments, surveys),
        guarded=guarding(instruments),
        differs={"CarePlan": differences},
        reserved=reserved(
            {each["url"] for each in forms},
            {*(each.url for each in indicators.values()), *(each.url for each in plans.values())},
        ),
        works=(
            lambda service: Publisher(service, "Questionnaire", forms),
            lambda service: Publisher(service, "Measure", map(measure, indicators.values())),
            lambda service: Publisher(service, "PlanDefinition", map(plan_definition, plans.values())),
        ),
        timers=at_their_time(alerting),
        listens=(HEARD, hearing(alerting.rules)),
        **around,
    )


def _kept(settings: ServiceSettings) -> Kept:
    return Kept(
        indicators=load_indicators(settings.indicators),
        targets=load_targets(settings.indicator_targets),
        supervisors=settings.supervisors,
        smallest=settings.smallest_cell,
    )
