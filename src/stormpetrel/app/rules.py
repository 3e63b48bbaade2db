"""The rules over samples that every installation has, as configured."""

from __future__ import annotations

from stormpetrel.app.config import DetectConfig
from stormpetrel.detect.certificates import CertificateWatch
from stormpetrel.detect.down import DownWatch
from stormpetrel.detect.growing_log import GrowingLogWatch
from stormpetrel.detect.idle import IdleWatch
from stormpetrel.detect.long_queries import LongQueryWatch
from stormpetrel.detect.standing import SeriesRule
from stormpetrel.ingest.series import SeriesRegistry


def build_rules(config: DetectConfig, registry: SeriesRegistry) -> list[SeriesRule]:
    """All of them, in the order in which they are asked."""
    return [
        DownWatch(describe=registry.info),
        CertificateWatch(describe=registry.info),
        LongQueryWatch(describe=registry.info),
        GrowingLogWatch(describe=registry.info),
        IdleWatch(describe=registry.info, idle_seconds=config.idle_seconds),
    ]
