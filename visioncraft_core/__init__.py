"""The VisionCraft API as plain Python: no ComfyUI, no torch, nothing happens at import."""

from .client import Client, File, Result
from .config import Profile, Timeouts
from .endpoints import (
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
from .errors import VisionCraftError
from .home import default_home
from .profiles import Profiles
from .secret import Secret

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
