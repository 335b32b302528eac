"""What a diffusers engine offers and where it draws."""

from __future__ import annotations

from dataclasses import dataclass

from ..pictures import PictureOffers


@dataclass(frozen=True, kw_only=True)
class DiffusersSettings(PictureOffers):
    """Models in `folder`: files named *.safetensors, or folders as diffusers saves them.

    `device` is cpu, cuda, cuda:0 and so on, mps, or auto for the first of cuda, mps and cpu that
    there is. Models that take up to `memory_mib` stay loaded; 0 is 60 % of a GPU's memory, or 8192.
    `threads` of the CPU; 0 leaves it to torch.
    """

    folder: str = "."
    device: str = "auto"
    memory_mib: int = 0
    threads: int = 0
