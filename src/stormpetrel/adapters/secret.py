"""How secrets are named in the configuration without being written down, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stormpetrel.errors import ConfigError

MAX_SECRET_BYTES = 64 << 10


class Settings(BaseModel):
    """A part of a section: frozen, and closed to unknown keys."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


class SecretSettings(Settings):
    """Where a secret is kept. It is read anew for each use, so that it can be changed while we run."""

    file: str = Field("", description="file that holds it, readable by this account alone")
    env: str = Field("", pattern=r"^[A-Za-z0-9_]{0,100}$", description="environment variable that holds it")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if bool(self.file) == bool(self.env):
            raise ValueError("give exactly one of file and env")
        return self


def read_secret(settings: SecretSettings, environment: Mapping[str, str]) -> str:
    """The secret itself, without white space around it.

    Raises:
        ConfigError: the file or variable is missing, empty, too large or readable by others; names it,
            never what it holds.
    """
    if settings.env:
        found = environment.get(settings.env, "").strip()
        if not found:
            raise ConfigError(f"the environment variable {settings.env} is empty; put the secret there")
        return found
    path = Path(settings.file)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: others may read this secret; chmod 600 it")
        found = content.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the secret cannot be read: {type(error).__name__}") from None
    if not found or len(content) > MAX_SECRET_BYTES:
        raise ConfigError(f"{path}: expected a secret of 1 to {MAX_SECRET_BYTES} bytes")
    return found
