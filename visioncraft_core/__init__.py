"""The VisionCraft API as plain Python: no ComfyUI, no torch, nothing happens at import."""

from .client import Client, File, Result
from .config import Profile, Profiles, Secret, Timeouts, default_home
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
