"""The version of this package, which pyproject.toml repeats for ComfyUI's registry."""

VERSION = "0.1.0"
