"""What every page shares: the service, the settings, the sessions and the templates."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from stormpetrel.app.service import Service
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.time import to_iso
from stormpetrel.web import show
from stormpetrel.web.report.kept import KeptReports
from stormpetrel.web.session import Session, Sessions
from stormpetrel.web.settings import WebSettings

HERE = Path(__file__).parent
STATIC = HERE / "static"
_RANK = {Role.VIEWER: 1, Role.RESPONDER: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is asking. `session` is None for tokens and for browsers that bring no valid cookie."""

    caller: Caller | None
    session: Session | None

    def may(self, role: Role) -> bool:
        """Is the caller a person of at least this role?"""
        held = self.caller.role if self.caller else None
        return held is not None and _RANK[held] >= _RANK[role]


class Site:
    """The page's surroundings, one a process.

    Args:
        service: the use-cases.
        settings: bounds and addresses.
    """

    def __init__(self, service: Service, settings: WebSettings) -> None:
        self.service = service
        self.settings = settings
        self.sessions = Sessions(service.session_key(), settings.session_seconds, settings.secure)
        self.shared = KeptReports()
        self.live_open = 0  # live streams; counted on the event loop only
        self._digests = {p.relative_to(STATIC).as_posix(): _digest(p) for p in STATIC.rglob("*.*")}
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            finalize=show.visible,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            number=show.number, size=show.size, duration=show.duration, quantity=show.quantity,
            p_text=show.p_text, severity_word=show.severity_word, log_word=show.log_severity_word,
            iso=to_iso, unit_of=show.unit_of, query=_query,
        )  # fmt: skip
        self._templates.globals.update(static=self.static, age=show.age, clock=show.clock, Role=Role)

    def static(self, name: str) -> str:
        """Address of a static file, with its digest so that browsers may keep it for ever."""
        return f"/static/{name}?v={self._digests[name]}"

    def page(
        self,
        request: Request,
        template: str,
        context: Mapping[str, Any],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> HTMLResponse:
        """A page, for whoever is asking."""
        visit: Visit = getattr(request.state, "visit", Visit(None, None))
        csrf = self.sessions.csrf(visit.session) if visit.session else ""
        theme = request.cookies.get("petrel_theme", "")
        text = self._templates.get_template(template).render(
            context,
            visit=visit,
            csrf=csrf,
            switched=self.service.automation_state() if visit.caller else "off",
            now=self.service.now_unix_nano(),
            path=request.url.path,
            theme=theme if theme in ("dark", "light") else "",
        )
        return HTMLResponse(text, status, {"Cache-Control": "no-store", **(headers or {})})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def _query(parameters: Mapping[str, object], **changes: object) -> str:
    """A query string of parameters with some changed; empty values are left out."""
    merged = {**parameters, **changes}
    return urlencode({name: str(value) for name, value in merged.items() if value not in ("", None)})


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site


def visit_of(request: Request) -> Visit:
    """Who is asking, as the gate found out."""
    visit: Visit = request.state.visit
    return visit


SiteOf = Annotated[Site, Depends(site_of)]
VisitOf = Annotated[Visit, Depends(visit_of)]
