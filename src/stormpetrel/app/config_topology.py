"""The topology's part of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, field_validator

from stormpetrel.app.config_section import Section
from stormpetrel.app.topology_file import read_topology
from stormpetrel.errors import ConfigError
from stormpetrel.model.topology import DeclaredTopology


class TopologyConfig(Section):
    """Who calls whom: learnt from spans and labels; what they do not tell can be written down in a file."""

    file: str = Field(
        "", max_length=4096, description="YAML or TOML with nodes and edges of your own; empty: none"
    )
    fade_seconds: float = Field(
        86_400.0, ge=60, description="an edge that was not seen for this long is not there any more"
    )
    max_entities: int = Field(20_000, ge=10_000, le=200_000, description="entities remembered")
    max_edges: int = Field(100_000, ge=20_000, le=1_000_000, description="edges remembered")

    _declared: DeclaredTopology = PrivateAttr(default_factory=DeclaredTopology)

    @field_validator("file")
    @classmethod
    def _is_readable(cls, file: str) -> str:
        if file:
            try:
                read_topology(Path(file))
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return file

    def model_post_init(self, _context: Any, /) -> None:
        """Keep what the file says: one configuration, one topology, whatever becomes of the file."""
        if self.file:
            self._declared = read_topology(Path(self.file))

    @property
    def declared(self) -> DeclaredTopology:
        """What the file declares."""
        return self._declared
