"""*Sources*: who speaks to us, how well, and how to let others speak."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from stormpetrel.model.quality import EXPLANATION, Quality
from stormpetrel.model.view import Snippet, SourceView
from stormpetrel.web.access import guarded_router
from stormpetrel.web.site import Site, SiteOf

router = guarded_router()

# Worst first: what needs a look stands on top.
_ORDER = {"failing": 0, "quiet": 1, "waiting": 2, "healthy": 3}
# A person with the file of the token is on this host; others make a token of their own.
_TOKEN_FILE = "/path/to/token"  # noqa: S105 - the place of a file, told to a reader


@router.get("/sources")
def sources_page(request: Request, site: SiteOf) -> Response:
    """Every source with rate, lag, quality and drops; then what to write into a sender to connect it."""
    sources = sorted(site.service.sources(), key=_urgency)
    context = {
        "sources": sources,
        "snippets": [(snippet, snippet_text(site, snippet)) for snippet in site.service.snippets()],
        "rows_per_second": sum(source.rows_per_second for source in sources),
        "rejected": sum(source.rejected_total for source in sources),
        "troubled": sum(1 for source in sources if source.state in ("failing", "quiet") or source.reasons),
    }
    return site.page(request, "sources.html", context)


@router.get("/sources/{name:path}")
def source_page(request: Request, site: SiteOf, name: str) -> Response:
    """One source: every verdict and refusal with its meaning, and its worst series.

    Raises:
        NotFoundError: no such source has spoken since the start.
    """
    page = site.service.source(name)
    good = sum(count.count for count in page.verdicts if count.verdict is Quality.GOOD)
    context = {
        "page": page,
        "good": good,
        "remarks": sorted(
            (count for count in page.verdicts if count.verdict is not Quality.GOOD), key=lambda c: -c.count
        ),
        "explanation": EXPLANATION,
        "snippets": [
            (snippet, snippet_text(site, snippet))
            for snippet in site.service.snippets()
            if is_of(snippet.protocol, page.view.kind, name.rpartition("/")[2])
        ],
    }
    return site.page(request, "source.html", context)


def is_of(protocol: str, kind: str, decoder: str) -> bool:
    """Whether a snippet tells how this source is connected: `otlp` is that of all three signals.

    >>> is_of("otlp", "push", "otlp_logs"), is_of("otlp", "otlp_grpc", "otlp_grpc")
    (True, False)
    """
    return protocol in (kind, decoder) or (kind != "otlp_grpc" and decoder.startswith(f"{protocol}_"))


def snippet_text(site: Site, snippet: Snippet) -> str:
    """The lines to copy, with this installation's address."""
    address = site.settings.public_url.rstrip("/") or "http://127.0.0.1:7780"
    return snippet.text.replace("{address}", address).replace("{token_file}", _TOKEN_FILE)


def _urgency(source: SourceView) -> tuple[int, float, str]:
    return (_ORDER.get(source.state, 0), source.quality_ratio, source.name)
