"""What one installation keeps to itself: the internal key, the private keys of clients that were made here.

They lie in a folder that only its owner opens, or come from the environment, or as files whose folders YIYANG_SECRETS names:
https://docs.docker.com/compose/how-tos/use-secrets/
"""

import os
import secrets
from pathlib import Path

import msgspec
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from gateway.keys import KeyPair, generate_key_pair

SECRETS = "YIYANG_SECRETS"  # folders of files named like the variables, separated by colons


class Secrets(BaseSettings):
    """The settings that a command line can do without."""

    model_config = SettingsConfigDict(env_prefix="YIYANG_", frozen=True, extra="ignore")

    database_url: str | None = None
    internal_key: SecretStr | None = None
    audit_key: SecretStr | None = None


def load_secret_files() -> None:
    """Let each file of the secret folders stand for the variable of its name; a variable that is set stays."""
    for folder in filter(None, os.environ.get(SECRETS, "").split(":")):
        for file in sorted(Path(folder).glob("yiyang_*")):
            os.environ.setdefault(file.name.upper(), file.read_text(encoding="utf-8").strip())


class Installation:
    """One data folder. Nothing is created before it is needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def client_file(self, name: str) -> Path:
        return self.folder / "clients" / f"{name}.json"

    def client_keys(self, name: str) -> KeyPair:
        """The keys of a client that were made here; made now, and kept, when there are none."""
        if (found := self.find_client_keys(name)) is None:
            create_private(self.client_file(name), msgspec.json.encode(generate_key_pair()).decode())
            found = self.find_client_keys(name)
        if found is None:
            raise FileNotFoundError(self.client_file(name))
        return found

    def find_client_keys(self, name: str) -> KeyPair | None:
        try:
            return msgspec.json.decode(self.client_file(name).read_bytes(), type=KeyPair)
        except FileNotFoundError:
            return None

    def internal_key(self) -> str:
        """The key of the gateway's signature on the Caller; made once, for every process of this installation."""
        return self._key(Secrets().internal_key, "internal.key")

    def audit_key(self) -> str:
        """The key of the audit chain. A server whose internal key is configured, and no other, seals with that one."""
        if (configured := Secrets()).audit_key is None and configured.internal_key:
            return configured.internal_key.get_secret_value()
        return self._key(configured.audit_key, "audit.key")

    def _key(self, configured: SecretStr | None, name: str) -> str:
        if configured:
            return configured.get_secret_value()
        path = self.folder / name
        if not path.exists():
            create_private(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="ascii").strip()


def create_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all; one that another process made first stays."""
    fresh = _fresh(path, text)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def replace_private(path: Path, text: str) -> None:
    """The same in place of the one that is there."""
    _fresh(path, text).replace(path)


def _fresh(path: Path, text: str) -> Path:
    path.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    return fresh
