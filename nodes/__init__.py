"""The nodes of this pack: ids never change, titles may."""

from .chat import LLMPrompt
from .image import Generate, GenerateXL
from .server import Server

NODE_CLASS_MAPPINGS = {
    "VisionCraftGenerate": Generate,
    "VisionCraftGenerateXL": GenerateXL,
    "VisionCraftLLM": LLMPrompt,
    "VisionCraftServer": Server,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "VisionCraftGenerate": "SD Generate",
    "VisionCraftGenerateXL": "SDXL Generate",
    "VisionCraftLLM": "LLM Prompt",
    "VisionCraftServer": "VisionCraft Server",
}
