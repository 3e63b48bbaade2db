"""The page and the API: `create_app(service, settings)` gives an ASGI application."""

from stormpetrel.web.app import create_app
from stormpetrel.web.settings import WebSettings

__all__ = ["WebSettings", "create_app"]
