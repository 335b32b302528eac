"""Whether the names in a workflow are ones that their servers list. To fetch a list is free."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...visioncraft_core.api.catalogs import Catalogs, CatalogSnapshot
from ...visioncraft_core.api.fields import ChoiceField
from ...visioncraft_core.errors import VisionCraftError, WorkflowError, clip
from ...visioncraft_core.profiles.profile import Profile
from ...visioncraft_core.profiles.profiles import AUTO
from ...visioncraft_core.spelling import did_you_mean
from .. import comfy, lora
from ..base import client_of
from ..lora import LoraStack
from ..server import Server, selected_profile
from .canvas.workflow import Link, Node, Workflow

PATIENCE = 5.0  # seconds for all lists; a server that does not answer is told of by the run


class ListedNames:
    """The lists of all servers of a command, each fetched once and only where a name asks for it.
    `notes` are sentences about names that only an older list lacks."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._found: set[tuple[str, str, str]] = set()
        self._live: dict[tuple[str, str], CatalogSnapshot] = {}
        self._left = PATIENCE

    def check(
        self, workflow: Workflow, node_classes: Mapping[str, type], needed: Iterable[str]
    ) -> None:
        """Raises WorkflowError for a name that the list lacks which the server gives now."""
        for node in (workflow.nodes[node_id] for node_id in needed):
            names = [*_names(node, node_classes)]
            for server in _servers_of(node, workflow) if names else ():
                for name, catalog in names:
                    self._check(node, node_classes[node.class_type], name, catalog, server)

    def _check(self, node: Node, cls: Any, name: str, catalog: str, server: str) -> None:
        if (server, catalog, name) in self._found:  # of a table, most rows have the same
            return
        profile = selected_profile(server)
        known = Catalogs(comfy.host().home(), profile.base_url).last(catalog)
        listed = (profile.embedded or known.source != "bundled") and _has(known, name)
        if not listed and not profile.embedded:
            known = self._fetched(server, catalog, profile)
            listed = _has(known, name) or known.source == "bundled"
        if listed:
            self._found.add((server, catalog, name))
            return
        what = f"{node.label}: {clip(name, 60)} is not in the server's list of {catalog}"
        similar = did_you_mean(name, known.names)
        note = f"{what}, {known.describe()}. {similar}" if known.source == "cached" else ""
        if not note and _is_stored(node, cls, server):
            note = f"{what} any more; the result is stored, so nothing is sent."
        if note:
            self.notes += [note.rstrip()] if note.rstrip() not in self.notes else []
            return
        chosen = server if server not in ("", AUTO) else comfy.host().default_server()
        option = "" if chosen == AUTO else f" --server {clip(chosen, 60)}"
        advice = f"{similar} `visioncraft catalog {catalog}{option}` lists all; nothing was sent."
        if not known.names:
            what = f"{node.label}: {clip(name, 60)} is not offered; the server's {catalog} is empty"
            advice = "Use another server; nothing was sent."
        raise WorkflowError(f"{what}.", advice.strip()).at(node.id, node.class_type)

    def _fetched(self, server: str, catalog: str, profile: Profile) -> CatalogSnapshot:
        if found := self._live.get((profile.name, catalog)):
            return found
        started = time.monotonic()
        client, _ = client_of(server, for_list=True)
        try:
            found = client.catalog(
                catalog, should_cancel=lambda: time.monotonic() - started > self._left
            )
        except VisionCraftError:
            found = Catalogs(comfy.host().home(), profile.base_url).last(catalog)
        self._left -= time.monotonic() - started
        self._live[profile.name, catalog] = found
        return found


def _is_stored(node: Node, cls: Any, server: str) -> bool:
    """Whether the result of `node` is certainly in the store; one that is fed by others is not
    known before they run."""
    values = {n: value for n, value in node.inputs.items() if n not in ("server", "seed")}
    seed, request = node.inputs.get("seed", 0), getattr(cls, "REQUEST", None)
    if request is None or any(isinstance(value, Link) for value in (seed, *values.values())):
        return False
    try:
        return client_of(server)[0].is_stored(cls.build(**values), seed=seed)
    except VisionCraftError:
        return False


def _has(known: CatalogSnapshot, name: str) -> bool:
    return name.strip().lower() in map(str.lower, known.names)  # servers take any case


def _names(node: Node, node_classes: Mapping[str, type]) -> Iterator[tuple[str, str]]:
    """The names that `node` itself gives, each with its catalog."""
    request: Any = getattr(node_classes[node.class_type], "REQUEST", None)
    for field in request.fields() if request else ():
        value = node.inputs.get(field.name)
        if isinstance(field.kind, ChoiceField) and isinstance(value, str) and value.strip():
            yield value, field.kind.catalog
    if node.class_type == LoraStack.ID:
        given, text = node.inputs.get("lora"), node.inputs.get("text")
        if isinstance(given, str) and node.inputs.get("enabled") is True:
            yield given, lora.CATALOG
        for name in lora.parse(text) if isinstance(text, str) else ():
            yield name, lora.CATALOG


def _servers_of(node: Node, workflow: Workflow) -> set[str]:
    """The profiles that `node` runs on or that get its LoRAs, "" for the default; without those
    that only the run knows."""
    if node.class_type == LoraStack.ID:
        nodes = workflow.nodes.values()
        users = [n for n in nodes if getattr(n.inputs.get("loras"), "node", None) == node.id]
        return set().union(*(_servers_of(user, workflow) for user in users))
    server = node.inputs.get("server", "")
    if isinstance(server, Link):
        origin = workflow.nodes[server.node]
        server = origin.inputs.get("profile") if origin.class_type == Server.ID else None
    return {server} if isinstance(server, str) else set()
