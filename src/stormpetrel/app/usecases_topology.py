"""The use-case of the topology, live."""

from __future__ import annotations

from stormpetrel.app.parts import Parts
from stormpetrel.model.topology import Topology


class TopologyUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def topology(self, time_unix_nano: int) -> Topology:
        """The graph of a moment, between two batches of the judge."""
        return self._is.judge.within(lambda: self._is.pipeline.topology.at(time_unix_nano))
