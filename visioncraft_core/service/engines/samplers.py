"""The API's names of samplers and schedulers, and what ComfyUI calls them.

ComfyUI and AUTOMATIC1111's web UI, whose names the API took, both sample with k-diffusion; the
names of /img2img are classes of the diffusers library.
"""

from __future__ import annotations

from typing import NamedTuple


class Sampling(NamedTuple):
    """A sampler and a scheduler of ComfyUI. Not `exact`: the nearest there is."""

    sampler: str
    scheduler: str
    exact: bool = True


SAMPLERS = {
    "Euler": Sampling("euler", "normal"),
    "Euler a": Sampling("euler_ancestral", "normal"),
    "LMS": Sampling("lms", "normal"),
    "Heun": Sampling("heun", "normal"),
    "DPM2": Sampling("dpm_2", "normal"),
    "DPM2 a": Sampling("dpm_2_ancestral", "normal"),
    "DPM++ 2S a": Sampling("dpmpp_2s_ancestral", "normal"),
    "DPM++ 2M": Sampling("dpmpp_2m", "normal"),
    "DPM++ SDE": Sampling("dpmpp_sde", "normal"),
    "DPM fast": Sampling("dpm_fast", "normal"),  # these two use the schedule's ends only
    "DPM adaptive": Sampling("dpm_adaptive", "normal"),
    "LMS Karras": Sampling("lms", "karras"),
    "DPM2 Karras": Sampling("dpm_2", "karras"),
    "DPM2 a Karras": Sampling("dpm_2_ancestral", "karras"),
    "DPM++ 2S a Karras": Sampling("dpmpp_2s_ancestral", "karras"),
    "DPM++ 2M Karras": Sampling("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": Sampling("dpmpp_sde", "karras"),
    "DDIM": Sampling("ddim", "ddim_uniform"),
    # A linear multistep method as well, but it starts with lower orders instead of Runge-Kutta.
    "PLMS": Sampling("ipndm", "ddim_uniform", exact=False),
    "DPM++ 3M SDE Karras": Sampling("dpmpp_3m_sde", "karras"),
}

# These names are ComfyUI's own.
XL_SAMPLERS = (
    *("euler", "euler_ancestral", "heun", "heunpp2", "dpm_2", "dpm_2_ancestral", "lms"),
    *("dpm_fast", "dpm_adaptive", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_sde_gpu", "dpmpp_2m"),
    *("dpmpp_2m_sde", "dpmpp_2m_sde_gpu", "dpmpp_3m_sde", "dpmpp_3m_sde_gpu", "ddpm", "lcm"),
    *("ddim", "uni_pc", "uni_pc_bh2"),
)
XL_SCHEDULERS = ("normal", "karras", "exponential", "sgm_uniform", "simple", "ddim_uniform")

# With diffusers' settings for SDXL, which space their steps as ddim_uniform does.
IMAGE_SCHEDULERS = {
    "DDIM": Sampling("ddim", "ddim_uniform"),
    # Its first step begins at a little less noise.
    "DPMSolverMultistep": Sampling("dpmpp_2m", "ddim_uniform", exact=False),
    "HeunDiscrete": Sampling("heun", "ddim_uniform"),
    "KarrasDPM": Sampling("dpmpp_2m", "karras"),
    "K_EULER_ANCESTRAL": Sampling("euler_ancestral", "ddim_uniform"),
    "K_EULER": Sampling("euler", "ddim_uniform"),
    "PNDM": Sampling("ipndm", "ddim_uniform", exact=False),
}

NO_REFINER = "no_refiner"
ENSEMBLE = "expert_ensemble_refiner"
BASE_IMAGE = "base_image_refiner"
REFINERS = (NO_REFINER, ENSEMBLE, BASE_IMAGE)
