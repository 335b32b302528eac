"""Configurations for checkpoints that are one file."""

from pathlib import Path
from typing import Any


def configuration(path: Path) -> tuple[str, Path]:
    raise NotImplementedError


def motion_adapter(path: Path, dtype: Any) -> Any:
    import diffusers

    return diffusers.MotionAdapter.from_pretrained(
        str(path), torch_dtype=dtype, local_files_only=True
    )


def lora_width(path: Path) -> int | None:
    return None
