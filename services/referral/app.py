"""The deployable of referral."""

from typing import Unpack

from fastapi import FastAPI

from services.fhir.deployable import Around, create_service
from services.kit.settings import ServiceSettings
from services.referral.operations import OPERATIONS
from services.referral.resources import SERVED
from services.referral.rules import OPENINGS


def create_app(settings: ServiceSettings, **around: Unpack[Around]) -> FastAPI:
    return create_service("referral", SERVED, settings, openings=OPENINGS, operations=OPERATIONS, **around)
