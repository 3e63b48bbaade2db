"""What is remembered of exporters: their templates, and the data that came before its template."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from stormpetrel.ingest.netflow_packet import Header, Layout
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.time import from_seconds

MAX_EXPORTERS = 1024  # those not heard for longest are forgotten
MAX_TEMPLATES = 256  # of one exporter
MAX_WAITING_SETS = 64  # of one exporter
MAX_WAITING_BYTES = 8 << 20  # of all exporters
# RFC 7011 (8.4, 10.3.6): exporters repeat templates over UDP, and collectors forget those not repeated.
TEMPLATE_NANOS = from_seconds(6 * 3600)
WAITING_NANOS = from_seconds(600)

NO_TEMPLATE = "no_template"

# Version, address, observation domain (source id, or engine in version 5).
ExporterKey = tuple[int, str, int]


class Waiting(NamedTuple):
    """A data set whose template is not known yet, with the header it came under."""

    template: int
    content: bytes
    header: Header
    received_unix_nano: int


@dataclass(slots=True)
class Exporter:
    """One observation domain of one address.

    Attributes:
        templates: layout and the time it was last told, by template id.
        waiting: data sets before their template, oldest first.
        boot_unix_nano: when its uptime began, where an options record said so; else -1.
        sampling: one of how many packets is looked at, where an options record said so; else 0.
    """

    templates: OrderedDict[int, tuple[Layout, int]] = field(default_factory=OrderedDict)
    waiting: deque[Waiting] = field(default_factory=deque)
    boot_unix_nano: int = -1
    sampling: int = 0


class TemplateMemory:
    """The exporters, bounded in number, templates, and waiting sets; not thread-safe.

    Every set that waited in vain is counted as `no_template`.
    """

    def __init__(self) -> None:
        self._exporters: OrderedDict[ExporterKey, Exporter] = OrderedDict()
        self._waiting_bytes = 0

    def __len__(self) -> int:
        return len(self._exporters)

    def exporter(self, key: ExporterKey, tally: RejectTally) -> Exporter:
        """The exporter, known or new; the one not heard for longest makes room."""
        known = self._exporters.get(key)
        if known is None:
            known = self._exporters[key] = Exporter()
            if len(self._exporters) > MAX_EXPORTERS:
                _, gone = self._exporters.popitem(last=False)
                while gone.waiting:
                    self._give_up(gone, tally)
        else:
            self._exporters.move_to_end(key)
        return known

    def learn(self, exporter: Exporter, template: int, layout: Layout | None, now: int) -> None:
        """A template was told, or withdrawn (None); the one told longest ago makes room."""
        exporter.templates.pop(template, None)
        if layout is not None:
            exporter.templates[template] = (layout, now)
            if len(exporter.templates) > MAX_TEMPLATES:
                exporter.templates.popitem(last=False)

    def layout(self, exporter: Exporter, template: int, now: int) -> Layout | None:
        """The layout of a template that was told within `TEMPLATE_NANOS`."""
        known = exporter.templates.get(template)
        if known is None:
            return None
        layout, told = known
        if now - told > TEMPLATE_NANOS:
            del exporter.templates[template]
            return None
        return layout

    def wait(self, exporter: Exporter, one: Waiting, tally: RejectTally) -> None:
        """Keep a data set until its template comes; without room the oldest of this exporter goes."""
        while exporter.waiting and len(exporter.waiting) >= MAX_WAITING_SETS:
            self._give_up(exporter, tally)
        if self._waiting_bytes + len(one.content) > MAX_WAITING_BYTES:
            tally.add(NO_TEMPLATE, 1, f"template {one.template}, and no room to wait for it")
            return
        exporter.waiting.append(one)
        self._waiting_bytes += len(one.content)

    def arrived(self, exporter: Exporter) -> Iterator[Waiting]:
        """The waiting sets whose template is known now, oldest first; they wait no more."""
        for _ in range(len(exporter.waiting)):
            one = exporter.waiting.popleft()
            if one.template in exporter.templates:
                self._waiting_bytes -= len(one.content)
                yield one
            else:
                exporter.waiting.append(one)

    def forget(self, now: int, tally: RejectTally) -> None:
        """Give up what has waited longer than `WAITING_NANOS`. O(exporters), nothing while none waits."""
        if not self._waiting_bytes:
            return
        for exporter in self._exporters.values():
            while exporter.waiting and now - exporter.waiting[0].received_unix_nano > WAITING_NANOS:
                self._give_up(exporter, tally)

    def _give_up(self, exporter: Exporter, tally: RejectTally) -> None:
        one = exporter.waiting.popleft()
        self._waiting_bytes -= len(one.content)
        tally.add(NO_TEMPLATE, 1, f"template {one.template} of domain {one.header.domain} did not come")
