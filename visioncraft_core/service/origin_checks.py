"""Who may ask, and what a request must look like before its body is read.

Web pages on the user's computer reach loopback, some through a name that they changed to it, so
`Host` and `Origin` must be the service's own and form content types are refused.
"""

from __future__ import annotations

from aiohttp import web

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not listened on


def check(
    request: web.Request, address: tuple[str, int], most_bytes: int, public_name: str = ""
) -> None:
    """Raises HTTP's 403, 411, 413 or 415. `address` is where the service listens, `public_name`
    the host and port by which a proxy in front of it is known."""
    host, port = address
    names = (f"[{host}]" if ":" in host else host, "127.0.0.1", "localhost", "[::1]")
    own = {f"{name}:{port}" for name in names} | (set(names) if port == 80 else set())
    own |= {public_name.lower()} - {""}
    asked = [value.lower() for value in request.headers.getall("Host", [])]
    if host in EVERYWHERE:  # it is known by names that it cannot know itself
        own.update(asked)
    if len(asked) != 1 or asked[0] not in own:
        raise web.HTTPForbidden(reason="The Host header names another server than this one")
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() not in own:
        raise web.HTTPForbidden(reason="Foreign origin")
    foreign = request.headers.get("Sec-Fetch-Site", "").lower() in ("cross-site", "same-site")
    # A link on a page elsewhere that a person follows; that page sees nothing of the answer.
    followed = request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "document"
    if foreign and not followed:
        raise web.HTTPForbidden(reason="Foreign site")
    if request.method == "OPTIONS":  # a browser asks so on behalf of a foreign page
        raise web.HTTPForbidden(reason="No web pages")
    _check_body(request, most_bytes)


def _check_body(request: web.Request, most_bytes: int) -> None:
    if (request.content_length or 0) > most_bytes:
        raise web.HTTPRequestEntityTooLarge(most_bytes, request.content_length or 0)
    if "Content-Encoding" in request.headers:  # it might inflate to anything
        raise web.HTTPUnsupportedMediaType
    if request.method != "POST":
        return
    # The specification's own example for /llm sends no type.
    kind = request.headers.get("Content-Type", "application/json").partition(";")[0].strip()
    if kind.lower() != "application/json":
        # What `curl -d` sends by itself; so could a form on any web page.
        raise web.HTTPUnsupportedMediaType(reason="Send JSON: -H 'Content-Type: application/json'")
    if request.content_length is None:
        raise web.HTTPLengthRequired
