"""Routes of the server profiles. Keys go in and never come out."""

from __future__ import annotations

from .guard import Route

ROUTES: tuple[Route, ...] = ()
