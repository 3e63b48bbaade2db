"""What senders ask, without a token, before they send: answered to anybody, as it says nothing of us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import orjson

from stormpetrel.model.push import Decoded

# The last version that has both write interfaces of InfluxDB, and these two questions.
_INFLUX_VERSION: Final = "1.8.10"
_INFLUX_HEALTH: Final = {
    "name": "influxdb",
    "message": "ready for queries and writes",
    "status": "pass",
    "checks": [],
    "version": _INFLUX_VERSION,
}

# By protocol and path. Clients of InfluxDB, Vector's sink and Proxmox among them, take who does not answer
# for a server that is down.
GREETINGS: Final[Mapping[str, Mapping[str, Decoded]]] = {
    "influx": {
        "/ping": Decoded(
            status=204, answer_headers=(("X-Influxdb-Build", "OSS"), ("X-Influxdb-Version", _INFLUX_VERSION))
        ),
        "/health": Decoded(answer=orjson.dumps(_INFLUX_HEALTH), answer_type="application/json"),
    },
}
