"""The deployable of referral."""

from typing import Unpack

from fastapi import FastAPI

from services.fhir.deployable import Around, create_service
from services.kit.settings import ServiceSettings
from services.referral.business import business_of, guarded, overtaken
from services.referral.operations import OPERATIONS
from services.referral.reserved import RESERVED
from services.referral.resources import SERVED
from services.referral.rules import OPENINGS
from services.referral.timers import on_timer


def create_app(settings: ServiceSettings, **around: Unpack[Around]) -> FastAPI:
    return create_service(
        "referral",
        SERVED,
        settings,
        openings=OPENINGS,
        operations=OPERATIONS,
        business=business_of(settings),
        guarded=guarded,
        differs={"Task": overtaken},
        reserved=RESERVED,
        timers=on_timer,
        **around,
    )
