"""The samplers of the diffusers engine, with models whose results are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import count

import pytest
import torch
from torch import Tensor
from visioncraft.visioncraft_core.api.catalogs import bundled
from visioncraft.visioncraft_core.service.engines import samplers as names
from visioncraft.visioncraft_core.service.engines.diffusers.samplers import SAMPLERS
from visioncraft.visioncraft_core.service.engines.diffusers.schedules import (
    Schedule,
    SigmaScheduler,
)

BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
SCHEDULE = Schedule(torch.cumprod(1 - BETAS, 0))
SPREAD = 0.7  # of the data

# What the k-diffusion of ComfyUI 0.3.64 gave for the model and the noise of `two_heaps`.
SIGMAS = {
    "normal": [14.6146, 5.09241, 2.27973, 1.16286, 0.571189, 0.0291672, 0.0],
    "karras": [14.6146, 6.08215, 2.23215, 0.692571, 0.169757, 0.0291672, 0.0],
    "exponential": [14.6146, 4.21511, 1.21571, 0.350632, 0.101128, 0.0291672, 0.0],
    "sgm_uniform": [14.6146, 5.9489, 2.91831, 1.61558, 0.932358, 0.493552, 0.0],
    "simple": [14.6146, 5.96313, 2.91831, 1.61289, 0.932358, 0.492409, 0.0],
    "ddim_uniform": [14.4386, 5.90645, 2.90712, 1.61289, 0.932358, 0.494697, 0.0413144, 0.0],
}
RESULTS = {
    "euler": [0.64199, -1.01105, 0.18064],
    "euler_ancestral": [-0.44092, -1.15004, 0.19209],
    "heun": [0.98618, -1.36874, 0.27483],
    "heunpp2": [0.65469, -1.0707, 0.18581],
    "dpm_2": [0.71794, -1.22558, 0.21002],
    "dpm_2_ancestral": [-0.45184, -1.35832, 0.37022],
    "lms": [0.79127, -1.15718, 0.22077],
    "dpm_fast": [1.12904, -1.54339, 0.32191],
    "dpm_adaptive": [0.90237, -1.30725, 0.25682],
    "dpmpp_2s_ancestral": [-0.49847, -1.49903, 0.12789],
    "dpmpp_sde": [0.20207, -0.20349, -0.25821],
    "dpmpp_2m": [1.12453, -1.55704, 0.31302],
    "dpmpp_2m_sde": [-1.0606, -1.59709, 0.84775],
    "dpmpp_3m_sde": [-1.86427, 0.14835, 2.84598],
    "ddpm": [-0.44092, -1.15004, 0.19209],
    "lcm": [-0.41451, -0.68746, 0.39316],
    "ddim": [0.64199, -1.01105, 0.18064],
    "uni_pc": [0.71553, -1.25383, 0.20964],
    "uni_pc_bh2": [0.70665, -1.22728, 0.206],
}
NOISY = [name for name in SAMPLERS if "ancestral" in name or "sde" in name] + ["ddpm", "lcm"]
EXACT = [name for name in SAMPLERS if name not in NOISY]


def two_heaps(x: Tensor, sigma: float) -> Tensor:
    """What data in two heaps look like without noise."""
    middle, spread = torch.tensor([0.5, -1, 0.2]), torch.tensor([0.4, 1, 0.7])
    total = spread**2 + sigma**2
    return (spread**2 * x + sigma**2 * middle * torch.tanh(middle * x / total)) / total


def one_heap(x: Tensor, sigma: float) -> Tensor:
    return x * SPREAD**2 / (SPREAD**2 + sigma**2)


def sampled(
    name: str,
    x: Tensor,
    sigmas: list[float],
    model: Callable[[Tensor, float], Tensor],
    noise: Callable[[], Tensor],
) -> Tensor:
    sampling = SAMPLERS[name](x, sigmas, noise)
    x, sigma = next(sampling)
    try:
        while True:
            x, sigma = sampling.send(model(x, sigma))
    except StopIteration as end:
        return end.value


def test_every_name_of_the_service_is_sampled():
    listed = bundled()
    kinds = {names.SAMPLERS[name].sampler for name in listed["samplers"]}
    assert kinds - set(SAMPLERS) == {"ipndm"}  # PLMS, which diffusers has
    assert set(listed["samplers-xl"]) <= set(SAMPLERS)
    assert set(listed["schedulers-xl"]) <= set(SIGMAS)


@pytest.mark.parametrize("name", SIGMAS)
def test_noise_goes_down_as_in_comfyui(name: str):
    assert SCHEDULE.sigmas(name, "euler", 6) == pytest.approx(SIGMAS[name], rel=1e-4)


@pytest.mark.parametrize("name", RESULTS)
def test_results_are_those_of_k_diffusion(name: str):
    calls = count(1)

    def noise() -> Tensor:
        return torch.cos(next(calls) + torch.arange(3.0, dtype=torch.float64)[None])

    start = torch.tensor([[20.0, -12, 5]], dtype=torch.float64)
    made = sampled(name, start, SCHEDULE.sigmas("normal", name, 6), two_heaps, noise)
    assert made[0].tolist() == pytest.approx(RESULTS[name], abs=1e-3)


@pytest.mark.parametrize("name", EXACT)
def test_many_steps_lead_to_the_one_exact_result(name: str):
    """Without noise in between, each start ends in one place, however a sampler gets there."""
    start = torch.linspace(-30, 30, 9, dtype=torch.float64)[None]
    errors = []
    for steps in (25, 100):
        sigmas = SCHEDULE.sigmas("karras", name, steps)
        end = 0.0 if name not in ("dpm_fast", "dpm_adaptive") else sigmas[-2]
        exact = start * math.sqrt((SPREAD**2 + end**2) / (SPREAD**2 + sigmas[0] ** 2))
        made = sampled(name, start, sigmas, one_heap, lambda: start)
        errors.append(float((made - exact).abs().max()))
    assert errors[1] < 0.06
    assert errors[1] < errors[0] / 2 or errors[1] < 0.01 or name == "dpm_adaptive"


@pytest.mark.parametrize("name", NOISY)
def test_noise_in_between_leaves_the_spread_of_the_data(name: str):
    generator = torch.Generator().manual_seed(3)
    sigmas = SCHEDULE.sigmas("karras", name, 60)
    start = torch.randn(1, 20_000, generator=generator) * math.sqrt(SPREAD**2 + sigmas[0] ** 2)
    made = sampled(
        name, start, sigmas, one_heap, lambda: torch.randn(1, 20_000, generator=generator)
    )
    # LCM jumps to the model's first guess, which is the mean: only its last jump counts.
    assert float(made.std()) == pytest.approx(SPREAD, rel=0.07) or name == "lcm"


@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("name", SAMPLERS)
def test_few_steps_give_numbers(name: str, steps: int):
    for schedule in SIGMAS:
        start = torch.full((1, 3), 14.0)
        sigmas = SCHEDULE.sigmas(schedule, name, steps)
        made = sampled(name, start, sigmas, one_heap, lambda start=start: start / 14)
        assert made.isfinite().all()
        assert made.abs().max() < 15


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_pipeline_is_told_of_every_look_at_the_picture(name: str, prediction: str):
    """Goes through timesteps as diffusers' pipelines do."""
    scheduler = SigmaScheduler(name, SCHEDULE.sigmas("normal", name, 5), SCHEDULE, prediction)
    scheduler.set_timesteps(5)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    latents = torch.ones(2, 4, 2, 2) * scheduler.init_noise_sigma
    looks = 0
    for timestep in scheduler.timesteps:
        given = scheduler.scale_model_input(latents, timestep)
        latents = scheduler.step(given * 0.1, timestep, latents, generators, return_dict=False)[0]
        looks += 1
    assert looks == len(scheduler.timesteps) >= 5
    assert latents.isfinite().all()
    assert scheduler.denoised is not None
    noisy = bool((latents[0] != latents[1]).any())
    assert noisy == (name in NOISY)


def test_a_model_of_no_numbers_ends_dpm_adaptive():
    start = torch.full((1, 3), 14.0)
    sigmas = SCHEDULE.sigmas("normal", "dpm_adaptive", 5)
    made = sampled("dpm_adaptive", start, sigmas, lambda x, _: x * math.nan, lambda: start)
    assert made.isnan().all()
