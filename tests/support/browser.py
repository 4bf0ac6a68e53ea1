"""Request headers of a browser and of htmx."""

from __future__ import annotations

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
HTMX = {"Accept": "*/*", "HX-Request": "true", "HX-Target": "found"}
