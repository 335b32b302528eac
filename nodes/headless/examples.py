"""The example workflows that come with the package, by the short names of `visioncraft run`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "example_workflows"
BRAND = "VisionCraft - "

# Name on the command line: title under ComfyUI's templates.
EXAMPLES = {
    "llm_prompt_to_image": "Idea to picture",
    "llm_prompt_to_gif": "Idea to animation",
    "llm_prompt_to_upscale": "Idea to large picture",
    "txt2img_sd": "Text to picture SD",
    "txt2img_sdxl": "Text to picture SDXL",
    "img2img_strengths": "Four strengths",
    "img2video": "Picture to video",
    "compare_models": "Compare five models",
    "lora_stack": "LoRA stack",
    "two_servers": "Two servers",
    "chat": "Conversation",
    "premium_chat": "Premium chat",
}


def path_of(name: str) -> Path:
    """The file of an example. Raises KeyError where there is none of this name."""
    return FOLDER / f"{BRAND}{EXAMPLES[name]}.json"
