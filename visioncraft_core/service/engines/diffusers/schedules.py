"""Which amounts of noise a sampler goes through, and the scheduler that runs it in diffusers'
pipelines. The formulas are those of k-diffusion (MIT).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from .samplers import SAMPLERS, WITHOUT_LAST_BUT_ONE, Noise, Sampling


class Schedule:
    """The noise that a model was trained with: `alphas` are its cumulative products."""

    def __init__(self, alphas: Tensor) -> None:
        alphas = alphas.double().cpu()
        self._sigmas = ((1 - alphas) / alphas).sqrt()
        self._logs = self._sigmas.log()

    def timestep(self, sigma: float) -> int:
        """The nearest one that the model was trained at."""
        return int((self._logs - math.log(sigma)).abs().argmin())

    def sigmas(self, scheduler: str, sampler: str, steps: int) -> list[float]:
        """As many as there are steps, from the most noise to the least, and 0."""
        skips = sampler in WITHOUT_LAST_BUT_ONE
        made = self._by_name(scheduler, steps + skips)
        return [*(made[:-1] if skips else made), 0.0]

    def _by_name(self, name: str, steps: int) -> list[float]:
        known = self._sigmas
        count, low, high = len(known), float(known[0]), float(known[-1])
        if name == "normal":
            return self._at(torch.linspace(count - 1, 0, steps, dtype=torch.float64))
        if name == "sgm_uniform":
            return self._at(torch.linspace(count - 1, 0, steps + 1, dtype=torch.float64)[:-1])
        if name == "simple":
            return [float(known[-1 - int(step * count / steps)]) for step in range(steps)]
        if name == "ddim_uniform":  # one more where the steps do not divide those of the training
            return known[1 :: max(1, count // steps)].flip(0).tolist()
        ramp = torch.linspace(0, 1, steps, dtype=torch.float64)
        if name == "karras":
            ends = [end ** (1 / 7) for end in (high, low)]
            return ((ends[0] + ramp * (ends[1] - ends[0])) ** 7).tolist()
        if name == "exponential":
            return (math.log(high) + ramp * math.log(low / high)).exp().tolist()
        raise ValueError(f"no scheduler is called {name}")

    def _at(self, timesteps: Tensor) -> list[float]:
        """Also between the timesteps of the training."""
        below = timesteps.floor().long()
        above = (below + 1).clamp(max=len(self._logs) - 1)
        part = timesteps - below
        return ((1 - part) * self._logs[below] + part * self._logs[above]).exp().tolist()


class SigmaScheduler:
    """Runs a sampler over sigmas, in the way diffusers' pipelines use a scheduler.

    They call `step` with what the model made at each of `timesteps`. `denoised` is the latest
    guess of the result. Pictures are kept in full precision, whatever the model computes in.
    """

    order = 1

    def __init__(
        self, sampler: str, sigmas: Sequence[float], schedule: Schedule, prediction: str = "epsilon"
    ) -> None:
        self.config = SimpleNamespace(num_train_timesteps=1000)
        self.init_noise_sigma = math.sqrt(1 + sigmas[0] ** 2)
        self.denoised: Tensor | None = None
        self._sampler = sampler
        self._sigmas = sigmas
        self._schedule = schedule
        self._prediction = prediction
        self._sampling: Sampling | None = None
        self._sigma = sigmas[0]
        self.timesteps: Any = []

    def set_timesteps(self, num_inference_steps: int, device: Any = None) -> None:
        """The pipelines' own count is of no account: there are as many as there are sigmas."""
        timesteps = [self._schedule.timestep(sigma) for sigma in self._evaluated()]
        if self._sampler == "dpm_adaptive":
            # Where it looks depends on the pictures, so `step` adds to this list.
            self.timesteps = _Growing([torch.tensor(timesteps[0], device=device)])
        else:
            self.timesteps = torch.tensor(timesteps, device=device)

    def scale_model_input(self, sample: Tensor, timestep: Any) -> Tensor:
        return sample / math.sqrt(1 + self._sigma**2)

    def step(
        self,
        model_output: Tensor,
        timestep: Any,
        sample: Tensor,
        generator: Any = None,
        *,
        return_dict: bool = True,
    ) -> Any:
        if self._sampling is None:
            x = sample.float()
            noise = _noise(x, generator)
            self._sampling = SAMPLERS[self._sampler](x, self._sigmas, noise)
            self._x, self._sigma = next(self._sampling)
        made, sigma = model_output.float(), self._sigma
        if self._prediction == "v_prediction":
            denoised = self._x / (1 + sigma**2) - made * sigma / math.sqrt(1 + sigma**2)
        else:
            denoised = self._x - made * sigma
        self.denoised = denoised
        try:
            self._x, self._sigma = self._sampling.send(denoised)
            if isinstance(self.timesteps, _Growing):
                following = self._schedule.timestep(self._sigma)
                self.timesteps.append(torch.tensor(following, device=sample.device))
        except StopIteration as end:
            self._x = end.value
        latents = self._x.to(sample.dtype)
        return SimpleNamespace(prev_sample=latents) if return_dict else (latents,)

    def _evaluated(self) -> list[float]:
        """Where the sampler looks, found by sampling a number."""
        zero = torch.zeros(1)
        sampling, sigmas = SAMPLERS[self._sampler](zero, self._sigmas, lambda: zero), []
        try:
            sigmas.append(next(sampling)[1])
            while True:
                sigmas.append(sampling.send(zero)[1])
        except StopIteration:
            return sigmas


class _Growing(list[Tensor]):
    """Timesteps that are added to while a pipeline goes through them."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return torch.stack(found) if isinstance(key, slice) else found


def _noise(like: Tensor, generators: Any) -> Noise:
    """From the CPU, so that a seed gives the same on every device; one generator a picture."""
    each = generators if isinstance(generators, list) else [generators] * len(like)

    def drawn() -> Tensor:
        parts = [torch.randn(like.shape[1:], generator=generator) for generator in each]
        return torch.stack(parts).to(like.device)

    return drawn
