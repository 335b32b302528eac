"""The node that lists what a server offers."""

from __future__ import annotations

from typing import Any

from ..visioncraft_core.api.catalogs import CatalogSnapshot
from ..visioncraft_core.api.endpoints import CATALOGS
from ..visioncraft_core.cancellation import ShouldCancel
from ..visioncraft_core.errors import InvalidRequest, clip
from ..visioncraft_core.generation.context import OnProgress
from . import comfy, widgets
from .base import client_of
from .partial_runs import PartialRuns

FIRST, BY_NUMBER, ALL = "first", "by number", "all"
MOST = 9999

FILTER_HELP = "Keeps only names that contain all of these words, in any order and case."
PICK_HELP = "Which of the names to use: the first, the one with the number below, or all of them."
NUMBER_HELP = (
    "Counts from 1 and starts again after the last name. Set its control to increment to use the "
    "next name on each run."
)
REFRESH_HELP = (
    "Asks the server again on every run. Turn it on only if its list changes while you work."
)


class CatalogLoader:
    ID = "VisionCraftCatalog"
    TITLE = "Catalog Loader"
    CATEGORY = "VisionCraft/Tools"
    DESCRIPTION = (
        "Lists the models, samplers, LoRAs and other choices of a server. Connect name to any "
        "choice of a VisionCraft node, or names to run that node once for each name."
    )
    SEARCH_ALIASES = ["model list", "models", "samplers", "loras", "batch models", "visioncraft"]
    FUNCTION = "load"
    RETURN_TYPES = (widgets.NAME, widgets.NAME, "STRING", "INT")
    RETURN_NAMES = ("name", "names", "text", "count")
    OUTPUT_IS_LIST = (False, True, False, False)
    OUTPUT_TOOLTIPS = (
        "The picked name, or the first one if all are picked.",
        "The picked names as a list: a node connected to it runs once for each.",
        "Where the list comes from and how old it is, then one name per line.",
        "How many names passed the filter.",
    )
    partial_runs = PartialRuns()  # the runs whose list was not live

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        lists = ", ".join(f"{name}: {listed}" for name, listed in CATALOGS.items())
        return {
            "required": {
                "catalog": widgets.choice(list(CATALOGS), "models-xl", f"Which list. {lists}."),
                "filter": widgets.text(FILTER_HELP),
                "pick": widgets.choice([FIRST, BY_NUMBER, ALL], FIRST, PICK_HELP),
                "number": widgets.number(NUMBER_HELP, 1, 1, MOST, control_after_generate=True),
                "refresh": widgets.switch(REFRESH_HELP, default=False),
            },
            "optional": {"server": widgets.SERVER_SOCKET},
        }

    @classmethod
    def IS_CHANGED(cls, *, refresh: bool = False, **constants: Any) -> float:
        # ComfyUI runs a node again whose answer differs. A new NaN does, math.nan does not: it is
        # always the same object.
        return float("nan") if refresh else cls.partial_runs.mark(constants)

    async def load(
        self,
        catalog: str,
        filter: str,
        pick: str,
        number: int,
        refresh: bool,  # noqa: FBT001 - ComfyUI passes inputs by name
        server: str = "",
    ) -> tuple[str, list[str], str, int]:
        del refresh  # it counts in IS_CHANGED

        def work(report: OnProgress, should_cancel: ShouldCancel) -> CatalogSnapshot:
            client, _ = client_of(server, for_list=True)
            listing = client.catalog(catalog, stale_if_error=True, should_cancel=should_cancel)
            report(f"{catalog}: {len(listing.names)} names, {listing.describe()}.")
            return listing

        listing = await comfy.call(work)
        if listing.error:  # the list of an outage must not stay when it is over
            inputs = {"catalog": catalog, "filter": filter, "pick": pick, "number": number}
            self.partial_runs.note({**inputs, "server": server})
        names = _filtered(listing, filter, catalog)
        picked = _picked(names, pick, number)
        return picked[0], picked, _text(catalog, listing, names), len(names)


def _filtered(listing: CatalogSnapshot, words: str, catalog: str) -> list[str]:
    found = [n for n in listing.names if all(word in n.lower() for word in words.lower().split())]
    if not found:
        problem = listing.error
        source = f" ({listing.describe()})" if problem else ""
        why = f", and no other came: {clip(problem.message, 80)}" if problem else "."
        if not listing.names:
            raise InvalidRequest(
                f"The server offers none: its list of {catalog} is empty.",
                "Choose another catalog or server.",
                phase="check",
            )
        raise InvalidRequest(
            f"None of the {len(listing.names)} names in {catalog}{source} has "
            f'"{clip(words, 60)}" in it{why}',
            f"Change the filter, or {'run again later' if problem else 'leave it empty'}.",
            phase="check",
        ) from problem
    return found


def _picked(names: list[str], pick: str, number: int) -> list[str]:
    if pick == ALL:
        return names
    return [names[(number - 1) % len(names)] if pick == BY_NUMBER else names[0]]


def _text(catalog: str, listing: CatalogSnapshot, names: list[str]) -> str:
    why = f" ({listing.error})" if listing.error else ""
    return "\n".join([f"# {catalog}: {listing.describe()}{why}", *names])
