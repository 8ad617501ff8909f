"""Whether a person is who they say: name, password, and a one-time password for administrators, each guess counted before it is looked at.

https://cheatsheetseries.owasp.org/cheatsheets/Authentication_Cheat_Sheet.html
"""

from typing import Final

import msgspec

from gateway import passwords, totp
from gateway.login import pages
from gateway.oauth import Form
from gateway.rates import RateLimit
from gateway.registry import Account, Accounts, Attempts
from gateway.seal import Seal
from gateway.settings import GatewaySettings
from services.kit.clock import Clock

SECRETS: Final = "one-time passwords"
_MAX_NAME: Final = 64


class Credentials(msgspec.Struct, frozen=True):
    name: str
    password: str
    code: str = ""
    new_password: str | None = None
    new_password_again: str = ""


class LoginRefusedError(Exception):
    """`text` is for the person; `account` is whose name was typed, where somebody has it, for the audit alone."""

    def __init__(
        self, text: str, status: int, account: Account | None = None, *, seconds: float = 0, changes: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.account = account
        self.seconds = seconds
        self.changes = changes


def credentials_of(form: Form) -> Credentials:
    return Credentials(
        form.get("name", "").strip().lower()[:_MAX_NAME],
        form.get("password", ""),
        form.get("code", "").strip(),
        form.get("new_password"),
        form.get("new_password_again", ""),
    )


class CheckCredentials:
    def __init__(
        self, settings: GatewaySettings, accounts: Accounts, attempts: Attempts, rate_limit: RateLimit, clock: Clock
    ) -> None:
        self._per_second = settings.login_rate_per_second
        self._seal = Seal(settings.keys, SECRETS)
        self._accounts = accounts
        self._attempts = attempts
        self._rate_limit = rate_limit
        self._clock = clock

    async def __call__(self, given: Credentials) -> tuple[Account, tuple[str, ...]]:
        """Return the account and the methods that showed it (RFC 8176), or raise LoginRefusedError (429 as FhirError)."""
        await self._rate_limit.check("logins of people", self._per_second)
        if seconds := await self._attempts.begin(given.name):
            raise LoginRefusedError(pages.LOCKED, 429, await self._accounts.find(given.name), seconds=seconds)
        account = await self._accounts.find(given.name)
        is_right = await passwords.is_password(given.password, account.password if account else None)
        if account is None or not is_right or account.is_disabled:
            raise LoginRefusedError(pages.REFUSED, 401, account)
        step = self._step(account, given)
        chosen = _chosen_password(account, given) if account.must_change else None
        if step is not None and not await self._accounts.use_step(account.id, step):
            raise LoginRefusedError(pages.REFUSED, 401, account)
        if chosen is not None:
            await self._accounts.set_password(account.id, await passwords.hash_password(chosen), must_change=False)
        await self._attempts.forget(given.name)
        return account, ("pwd",) if step is None else ("pwd", "otp", "mfa")

    def _step(self, account: Account, given: Credentials) -> int | None:
        """Return the step of the one-time password; None where the account needs none."""
        if not account.needs_totp and account.totp is None:
            return None
        secret = self._seal.open(account.totp, account.id) if account.totp else None
        now = self._clock.seconds()
        step = totp.step_of(secret, given.code, now, account.totp_step) if secret else None
        if step is None:
            raise LoginRefusedError(pages.REFUSED, 401, account)
        return step


def _chosen_password(account: Account, given: Credentials) -> str:
    """Return the person's own password, to stand in place of the one that was given out."""
    if given.new_password is None:
        raise LoginRefusedError(pages.CHANGE, 403, account, changes=True)
    if given.new_password != given.new_password_again:
        raise LoginRefusedError(pages.DIFFERENT, 400, account, changes=True)
    if given.new_password == given.password:
        raise LoginRefusedError(pages.WEAK, 400, account, changes=True)
    try:
        return passwords.check_password(given.new_password, account.name)
    except passwords.PasswordRefusedError as error:
        raise LoginRefusedError(pages.WEAK, 400, account, changes=True) from error
