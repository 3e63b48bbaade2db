"""Runbooks of an installation: those taken from the library, and those of its own folder."""

from __future__ import annotations

import difflib
from pathlib import Path

from stormpetrel.act.library import shipped
from stormpetrel.act.runbook import read_runbook
from stormpetrel.app.config import Config
from stormpetrel.errors import ConfigError
from stormpetrel.model.runbook import Runbook
from stormpetrel.ports.automation import AutomationStore

MOST = 200


def load_runbooks(config: Config) -> tuple[list[Runbook], list[str]]:
    """All runbooks by name, and what is wrong with those that cannot be read: one bad file leaves the others
    alone, and nothing of it is proposed."""
    found: dict[str, Runbook] = {}
    faults: list[str] = []
    known = {one.name: one for one in shipped()}
    for name in config.automation.library:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(known))}"
            faults.append(f"automation.library: there is no runbook {name!r}{hint}")
        else:
            found[name] = known[name]
    for path in sorted(folder_of(config).glob("*.yaml"))[:MOST]:
        try:
            runbook = read_runbook(path.read_text(encoding="utf-8"), str(path))
        except (ConfigError, OSError, UnicodeDecodeError) as error:
            faults.append(str(error) if isinstance(error, ConfigError) else f"{path}: {error}")
            continue
        if runbook.name in found:
            faults.append(f"{path}: a runbook {runbook.name!r} is there already; give it another name")
            continue
        found[runbook.name] = runbook
    return [found[name] for name in sorted(found)], faults


def keep_runbooks(
    config: Config, store: AutomationStore, now_unix_nano: int
) -> tuple[frozenset[str], list[str]]:
    """Load all runbooks and keep the versions that are new; the names of all that could be read, and what is
    wrong with the others."""
    runbooks, faults = load_runbooks(config)
    known = {row.runbook.name: row.runbook.version for row in store.runbooks()}
    for runbook in runbooks:
        if known.get(runbook.name) != runbook.version:
            store.save_runbook(runbook, "petrel", now_unix_nano)
    return frozenset(one.name for one in runbooks), faults


def folder_of(config: Config) -> Path:
    """Where the installation's own runbooks are."""
    return Path(config.automation.runbooks) if config.automation.runbooks else config.data_dir / "runbooks"


def difference(old: Runbook | None, new: Runbook) -> str:
    """What changed from one version to another, as a unified diff; of the first version, all of it."""
    before = old.text.splitlines() if old is not None else []
    named = f"{new.name} {old.version}" if old is not None else "(nothing)"
    lines = difflib.unified_diff(
        before, new.text.splitlines(), named, f"{new.name} {new.version}", lineterm=""
    )
    return "\n".join(lines)
