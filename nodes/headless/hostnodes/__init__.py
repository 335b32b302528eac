"""The ComfyUI nodes that a headless run knows, with ComfyUI's names, inputs and results.

What they do is stated by ComfyUI 0.3.64's nodes.py and comfy_extras (SaveText, ImageGrid and
ImageFromBatch: by those of 0.33); the tests in tests/comfyui hold each one to the real one.
"""

from . import collages, pictures, saving, texts, videos

NODE_CLASSES: dict[str, type] = {
    name: found
    for module in (pictures, saving, videos, texts, collages)
    for name, found in vars(module).items()
    if hasattr(found, "run") and not name.startswith("_")
}
