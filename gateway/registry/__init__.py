"""What the gateway remembers: clients, people, logins, revocations, keys and rates; the only SQL of the gateway."""

from gateway.registry.account import Account
from gateway.registry.accounts import Accounts
from gateway.registry.assertions import Assertions
from gateway.registry.attempts import Attempts
from gateway.registry.browsers import Browser, Browsers
from gateway.registry.client import Client, Options, RegistrationError
from gateway.registry.clients import Clients
from gateway.registry.logins import Login, Logins, ReusedError
from gateway.registry.rates import Rates
from gateway.registry.revocations import Revocations
from gateway.registry.signing_keys import SigningKeys

__all__ = [
    "Account",
    "Accounts",
    "Assertions",
    "Attempts",
    "Browser",
    "Browsers",
    "Client",
    "Clients",
    "Login",
    "Logins",
    "Options",
    "Rates",
    "RegistrationError",
    "ReusedError",
    "Revocations",
    "SigningKeys",
]
