"""What the gateway remembers: clients, claimed assertions, revocations and its own keys; the only SQL of the gateway."""

from gateway.registry.assertions import Assertions
from gateway.registry.clients import Client, Clients, RegistrationError
from gateway.registry.revocations import Revocations
from gateway.registry.signing_keys import SigningKeys

__all__ = ["Assertions", "Client", "Clients", "RegistrationError", "Revocations", "SigningKeys"]
