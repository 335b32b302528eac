"""The VisionCraft API as plain Python: no ComfyUI, no torch, nothing happens at import.

A name is loaded when it is first used: only a client needs `requests`, and only results Pillow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, version

if TYPE_CHECKING:
    from .api.catalogs import CatalogSnapshot as CatalogSnapshot
    from .api.endpoints import CATALOGS as CATALOGS
    from .api.endpoints import ENDPOINTS as ENDPOINTS
    from .api.endpoints import Chat as Chat
    from .api.endpoints import Generate as Generate
    from .api.endpoints import GenerateGif as GenerateGif
    from .api.endpoints import GenerateXL as GenerateXL
    from .api.endpoints import ImageToImage as ImageToImage
    from .api.endpoints import ImageToVideo as ImageToVideo
    from .api.endpoints import PremiumChat as PremiumChat
    from .api.endpoints import Upscale as Upscale
    from .api.fields import InvalidFields as InvalidFields
    from .api.fields import Request as Request
    from .client import AsyncClient as AsyncClient
    from .client import Client as Client
    from .errors import *  # noqa: F403
    from .generation.results import File as File
    from .generation.results import Result as Result
    from .profiles.paths import default_home as default_home
    from .profiles.profile import Profile as Profile
    from .profiles.profile import Timeouts as Timeouts
    from .profiles.profiles import Profiles as Profiles
    from .profiles.secret import Secret as Secret


__version__ = version.VERSION


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.VisionCraftError)


_MODULES = {
    "api.catalogs": ("CatalogSnapshot",),
    "api.endpoints": (
        *("CATALOGS", "ENDPOINTS", "Chat", "Generate", "GenerateGif", "GenerateXL"),
        *("ImageToImage", "ImageToVideo", "PremiumChat", "Upscale"),
    ),
    "api.fields": ("InvalidFields", "Request"),
    "client": ("AsyncClient", "Client"),
    "generation.results": ("File", "Result"),
    "profiles.paths": ("default_home",),
    "profiles.profile": ("Profile", "Timeouts"),
    "profiles.profiles": ("Profiles",),
    "profiles.secret": ("Secret",),
    "errors": tuple(cls.__name__ for cls in vars(errors).values() if _is_error(cls)),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise _unknown(name)
    return getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)


def _unknown(name: str) -> AttributeError | ImportError:
    told = f"module {__name__.partition('.')[0]!r} has no attribute {name!r}"
    if not name[:1].isupper():  # Python itself asks for modules that are not loaded yet
        return AttributeError(told)
    from .api.endpoints import ENDPOINTS
    from .spelling import did_you_mean

    for request in ENDPOINTS:
        if name in (request.id, request.id.removeprefix("VisionCraft")):
            # `from visioncraft import ...` would drop the words of an AttributeError.
            return ImportError(f"{name} is the name of a node; its request is {request.__name__}.")
    return AttributeError(f"{told}. {did_you_mean(name, _MODULE_OF)}".rstrip(". "))


def __dir__() -> list[str]:
    return [*globals(), *_MODULE_OF]
