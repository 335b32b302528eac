"""/docs: what /openapi.json says, for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

PATH = "/docs"
LONGEST_EXAMPLE = 400  # characters; a picture as base64 has more

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page.css"></head>
<body><main><h1>{title}</h1>
<p><a href="/">Try it</a></p>
<p>Send JSON{key}. Programs read <a
href="/openapi.json">/openapi.json</a>. Lists of names: {lists}.</p>
<p>{seed}</p>
{endpoints}</main></body></html>
"""


def page(description: Mapping[str, Any], address: str, key: str) -> str:
    """The page for an OpenAPI `description` of a server at `address`; `key` opens it, "" where
    keys are secrets."""
    paths = description["paths"]
    posted = {path: kinds["post"] for path, kinds in paths.items() if "post" in kinds}
    lists = [p for p in paths if "get" in paths[p] and "{" not in p and not p.endswith(".json")]
    headers = (each for post in posted.values() for each in post.get("parameters", ()))
    seed = next((f"{each['name']}: {each['description']}" for each in headers), "")
    return _PAGE.format(
        title=escape(description["info"]["title"]),
        key=f"; the key <code>{escape(key)}</code> opens everything" if key else ", with your key",
        lists=", ".join(f'<a href="{escape(p)}">{escape(p)}</a>' for p in lists),
        seed=escape(seed),
        endpoints="\n".join(_endpoint(path, post, address) for path, post in posted.items()),
    )


def _endpoint(path: str, post: Mapping[str, Any], address: str) -> str:
    content = post["requestBody"]["content"]["application/json"]
    schema, example = content["schema"], json.dumps(content.get("example", {}))
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td>"
        f"<td>{'required' if name in required else 'optional'}</td>"
        f"<td>{escape(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    body = example if len(example) <= LONGEST_EXAMPLE else "{...}"
    curl = f"curl {address}{path} -H 'Content-Type: application/json' -d '{body}'"
    heading = f"<h2>POST {escape(path)}</h2><p>{escape(post['summary'])}</p>"
    table = f'<div class="table described"><table>{rows}</table></div>'
    return f"{heading}{table}<pre>{escape(curl)}</pre>"
