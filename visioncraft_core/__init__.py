"""The VisionCraft API as plain Python: no ComfyUI, no torch, nothing happens at import."""

from .api.endpoints import (
    CATALOGS,
    ENDPOINTS,
    Chat,
    Generate,
    GenerateGif,
    GenerateXL,
    ImageToImage,
    ImageToVideo,
    PremiumChat,
    Upscale,
)
from .client import Client, File, Result
from .errors import VisionCraftError
from .profiles.paths import default_home
from .profiles.profile import Profile, Timeouts
from .profiles.profiles import Profiles
from .profiles.secret import Secret

__all__ = [
    "CATALOGS",
    "ENDPOINTS",
    "Chat",
    "Client",
    "File",
    "Generate",
    "GenerateGif",
    "GenerateXL",
    "ImageToImage",
    "ImageToVideo",
    "PremiumChat",
    "Profile",
    "Profiles",
    "Result",
    "Secret",
    "Timeouts",
    "Upscale",
    "VisionCraftError",
    "default_home",
]
