"""The deployable of care."""

from fastapi import FastAPI

from services.care.resources import SERVED
from services.care.rules import OPENINGS
from services.fhir.deployable import create_service
from services.kit.database import Database
from services.kit.peers import Peers
from services.kit.settings import ServiceSettings


def create_app(settings: ServiceSettings, *, database: Database | None = None, peers: Peers | None = None) -> FastAPI:
    return create_service("care", SERVED, settings, openings=OPENINGS, database=database, peers=peers)
