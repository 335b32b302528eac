"""The nodes of this pack: ids never change, titles may."""

from .catalog import CatalogLoader
from .chat import LLMPrompt, PremiumLLMPrompt
from .image import Generate, GenerateXL, ImageToImage, Upscale
from .lora import LoraStack
from .save import SaveOriginal
from .server import Server
from .video import ImageToVideo, TextToGif

NODE_CLASS_MAPPINGS = {
    "VisionCraftGenerate": Generate,
    "VisionCraftGenerateXL": GenerateXL,
    "VisionCraftImg2Img": ImageToImage,
    "VisionCraftUpscale": Upscale,
    "VisionCraftGif": TextToGif,
    "VisionCraftImg2Video": ImageToVideo,
    "VisionCraftLLM": LLMPrompt,
    "VisionCraftPremiumLLM": PremiumLLMPrompt,
    "VisionCraftLoraStack": LoraStack,
    "VisionCraftCatalog": CatalogLoader,
    "VisionCraftServer": Server,
    "VisionCraftSaveOriginal": SaveOriginal,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "VisionCraftGenerate": "SD Generate",
    "VisionCraftGenerateXL": "SDXL Generate",
    "VisionCraftImg2Img": "Img2Img",
    "VisionCraftUpscale": "Upscale",
    "VisionCraftGif": "Text to GIF",
    "VisionCraftImg2Video": "Image to Video",
    "VisionCraftLLM": "LLM Prompt",
    "VisionCraftPremiumLLM": "Premium LLM Prompt",
    "VisionCraftLoraStack": "LoRA Stack",
    "VisionCraftCatalog": "Catalog Loader",
    "VisionCraftServer": "VisionCraft Server",
    "VisionCraftSaveOriginal": "Save Original",
}
