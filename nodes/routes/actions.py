"""Routes of a node's context menu. The page sends the class of a node and its inputs as they would
be queued: a link is a list there, and nobody knows yet what it will bring.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...visioncraft_core.api.fields import Field, ImageField, Request, TextField
from ...visioncraft_core.client import Client
from .. import NODE_CLASS_MAPPINGS
from ..base import ApiNode
from ..server import selected_profile
from .guard import Refused, Route

SANDBOX_URL = "http://127.0.0.1:8787"  # of `visioncraft sandbox`
KEY_VARIABLE = "VISIONCRAFT_API_KEY"


@dataclass(frozen=True)
class _Described:
    """The request of a node; `linked` are the inputs whose values it does not know."""

    node: type[ApiNode]
    values: dict[str, Any]
    linked: list[str]
    request: Request
    client: Client
    seed: int


def curl(home: Path, body: dict[str, Any]) -> dict[str, Any]:
    """The request as a command for a shell. The key is not in it: the shell has a variable."""
    described = _described(home, body)
    fields = {field.name for field in described.request.fields()}
    sent = described.request.to_json()
    sent |= {name: f"<{name}>" for name in described.linked if name in fields}
    quoted = shlex.quote(json.dumps({**sent, "token": KEY_VARIABLE}, ensure_ascii=False))
    before, _, after = quoted.rpartition(KEY_VARIABLE)
    data = f"{before}'\"${KEY_VARIABLE}\"'{after}"
    url = (described.client.profile.base_url or SANDBOX_URL) + described.request.path
    notes = [f"# {name} comes from another node; it is not in here." for name in described.linked]
    if described.client.profile.embedded:
        notes.append("# Start a sandbox with: visioncraft sandbox")
    command = f"curl {shlex.quote(url)} -H 'Content-Type: application/json' -d {data}"
    return {"text": "\n".join([*notes, command]), "linked": described.linked}


def forget(home: Path, body: dict[str, Any]) -> dict[str, bool]:
    """Removes the stored result, and makes ComfyUI run the node again."""
    described = _described(home, body)
    if linked := described.linked + ["seed"] * isinstance(body["inputs"].get("seed"), list):
        raise Refused(
            f"What comes from other nodes ({', '.join(linked)}) is not known here, so the stored "
            "result cannot be found.",
            "Change its seed for a new result.",
        )
    forgotten = described.client.forget(described.request, seed=described.seed)
    if forgotten:
        described.node.partial_runs.note({**described.values, "seed": described.seed})
    return {"forgotten": forgotten}


def _described(home: Path, body: dict[str, Any]) -> _Described:
    node = NODE_CLASS_MAPPINGS.get(str(body.get("class_type")))
    inputs, server = body.get("inputs"), body.get("server", "")
    if not (node and issubclass(node, ApiNode) and isinstance(inputs, dict)):
        raise Refused("This is no node that calls a server.", "Choose another one.")
    fields = {field.name: field for field in node.shown_fields()}
    own = {name: given for group in node.own_inputs().values() for name, given in group.items()}
    given = {name: inputs[name] for name in (*fields, *own) if name in inputs}
    linked = [name for name, value in given.items() if isinstance(value, list)]
    values = {name: value for name, value in given.items() if name not in linked}
    unknown: dict[str, Any] = {
        name: _stand_in(name, fields.get(name), own.get(name)) for name in linked
    }
    seed = inputs.get("seed", 0)
    return _Described(
        node,
        values,
        linked,
        node.build(**values, **{name: value for name, value in unknown.items() if value}),
        Client(selected_profile(server if isinstance(server, str) else ""), home=home),
        seed if isinstance(seed, int) else 0,
    )


def _stand_in(name: str, field: Field | None, own: Any) -> str | bytes | None:
    """What stands for the value of a link, None where the request is complete without it."""
    if field and isinstance(field.kind, ImageField):
        return name.encode()
    is_text = isinstance(field.kind, TextField) if field else own[0] == "STRING"
    return f"<{name}>" if is_text else None


ROUTES: tuple[Route, ...] = (
    ("POST", "actions/curl", curl),
    ("POST", "actions/forget", forget),
)
