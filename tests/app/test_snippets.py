"""Whoever pushes finds on the page of its source how it is connected."""

from __future__ import annotations

from importlib.metadata import entry_points

from stormpetrel.app.snippets import SNIPPETS
from stormpetrel.web.pages.sources import is_of

# They are set up in forms of their own: the documentation's page on changes says how.
BY_HAND = {"argocd", "backups", "github", "gitlab", "pgbackrest", "restic", "smartctl", "velero"}


def test_every_decoder_has_a_snippet() -> None:
    names = {entry.name for entry in entry_points(group="stormpetrel.decoders")}
    without = {name for name in names if not any(is_of(one.protocol, "push", name) for one in SNIPPETS)}
    assert without == BY_HAND
    assert len({one.protocol for one in SNIPPETS}) == len(SNIPPETS)
