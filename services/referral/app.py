"""The deployable of referral."""

from fastapi import FastAPI

from services.fhir.deployable import create_service
from services.kit.database import Database
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings
from services.referral.business import business_of, guarded
from services.referral.operations import OPERATIONS
from services.referral.resources import SERVED
from services.referral.rules import OPENINGS


def create_app(settings: ServiceSettings, *, database: Database | None = None, peers: Peers | None = None) -> FastAPI:
    return create_service(
        "referral",
        SERVED,
        settings,
        openings=OPENINGS,
        operations=OPERATIONS,
        business=business_of(settings),
        guarded=guarded,
        database=database,
        peers=peers,
    )
