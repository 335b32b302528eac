"""How noise is removed, step by step: the samplers of k-diffusion.

A sampler is a generator. It is given the noisy picture and the sigmas, standard deviations of the
noise in units of the data; it yields a picture and the sigma of its noise, is sent what the model
makes of it without noise, and returns the result. Formulas are those of k-diffusion (MIT) and of
the papers that are named.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

Noise = Callable[[], Tensor]  # standard normal numbers in the shape of the pictures
Sampling = Generator[tuple[Tensor, float], Tensor, Tensor]
Sampler = Callable[[Tensor, Sequence[float], Noise], Sampling]


def euler(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        x = _towards(x, denoised, sigma, following)
    return x


def euler_ancestral(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        down, up = _ancestral(sigma, following)
        x = _towards(x, denoised, sigma, down)
        if following:
            x = x + noise() * up
    return x


def heun(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        slope = (x - (yield x, sigma)) / sigma
        ahead = x + slope * (following - sigma)
        if following:
            slope = (slope + (ahead - (yield ahead, following)) / following) / 2
        x = x + slope * (following - sigma)
    return x


def heunpp2(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """Heun++: looks one or two steps ahead, with weights by their noise."""
    for number, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        slopes = [(x - (yield x, sigma)) / sigma]
        ahead = x
        looks = [each for each in sigmas[number + 1 : number + 3] if each != sigmas[-1]]
        for here, there in zip([sigma, *looks], looks, strict=False):
            ahead = ahead + slopes[-1] * (there - here)
            slopes.append((ahead - (yield ahead, there)) / there)
        weights = [each / (len(slopes) * sigmas[0]) for each in looks]
        weights.insert(0, 1 - sum(weights))
        slope = sum(w * s for w, s in zip(weights, slopes, strict=True))
        x = x + slope * (following - sigma)
    return x


def dpm_2(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    return (yield from _midpoint(x, sigmas, noise, eta=0.0))


def dpm_2_ancestral(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    return (yield from _midpoint(x, sigmas, noise, eta=1.0))


def _midpoint(x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        down, up = _ancestral(sigma, following, eta)
        if not down:
            x = _towards(x, denoised, sigma, down)
            continue
        middle = math.sqrt(sigma * down)
        halfway = _towards(x, denoised, sigma, middle)
        slope = (halfway - (yield halfway, middle)) / middle
        x = x + slope * (down - sigma)
        if up:
            x = x + noise() * up
    return x


def lms(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """Linear multistep of order four: integrates the polynomial through the last slopes."""
    slopes: deque[Tensor] = deque(maxlen=4)
    for number, (sigma, following) in enumerate(zip(sigmas, sigmas[1:], strict=False)):
        denoised = yield x, sigma
        if not following:
            return denoised
        slopes.appendleft((x - denoised) / sigma)
        nodes = [sigmas[number - back] for back in range(len(slopes))]
        for back, slope in enumerate(slopes):
            x = x + slope * _lagrange_integral(nodes, back, sigma, following)
    return x


def dpm_fast(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """DPM-Solver-fast (Lu et al. 2022): as many evaluations as steps, evenly in log sigma."""
    start, end = _ends(sigmas)
    evaluations = len(sigmas) - 1
    if start == end:
        return (yield x, sigmas[0])
    blocks = evaluations // 3 + 1
    rest = [2, 1] if evaluations % 3 == 0 else [evaluations % 3]
    orders = [3] * (blocks - len(rest)) + rest
    for number, order in enumerate(orders):
        s, t = (start + (end - start) * (number + more) / blocks for more in (0, 1))
        eps = (x - (yield x, math.exp(-s))) / math.exp(-s)
        if order == 3:
            x, _ = yield from _third_order(x, eps, s, t)
        else:
            x = yield from _first_or_second_order(x, eps, s, t, order)
    return x


def dpm_adaptive(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    """DPM-Solver-12/23 with steps as long as their errors allow, however many were asked for."""
    s, end = _ends(sigmas)
    h, before = 0.05, x
    shortest = (end - s) / 100  # a model that is broken would be looked at for ever
    if s == end:
        return (yield x, sigmas[0])
    while s < end - 1e-5:
        t = min(end, s + h)
        eps = (x - (yield x, math.exp(-s))) / math.exp(-s)
        high, low = yield from _third_order(x, eps, s, t)
        allowed = torch.maximum(low.abs(), before.abs()).mul(0.05).clamp(min=0.0078)
        error = float(((low - high) / allowed).square().mean().sqrt())
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / 3) - 1)
        if not factor < 0.81 or h <= shortest:
            before, x, s = low, high, t
        h = max(shortest, h * factor)
    return x


def dpmpp_2s_ancestral(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        down, up = _ancestral(sigma, following)
        if not down:
            x = _towards(x, denoised, sigma, down)
            continue
        middle = math.sqrt(sigma * down)
        halfway = _towards(x, denoised, sigma, middle)
        x = _towards(x, (yield halfway, middle), sigma, down) + noise() * up
    return x


def dpmpp_sde(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        if not following:
            return _towards(x, denoised, sigma, 0.0)
        middle = math.sqrt(sigma * following)
        # Increments of one Brownian motion over sigma: the second one continues the first.
        first = noise()
        share = (sigma - middle) / (sigma - following)
        whole = first * math.sqrt(share) + noise() * math.sqrt(1 - share)
        down, up = _ancestral(sigma, middle)
        halfway = _towards(x, denoised, sigma, down) + first * up
        denoised = yield halfway, middle
        down, up = _ancestral(sigma, following)
        x = _towards(x, denoised, sigma, down) + whole * up
    return x


def dpmpp_2m(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    before: tuple[Tensor, float] | None = None
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        if before and following:
            h = math.log(sigma / following)
            blend = h / (2 * before[1])
            x = _towards(x, (1 + blend) * denoised - blend * before[0], sigma, following)
        else:
            x = _towards(x, denoised, sigma, following)
            h = math.log(sigma / following) if following else 0.0
        before = denoised, h
    return x


def dpmpp_2m_sde(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    before: tuple[Tensor, float] | None = None
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        if not following:
            return denoised
        h = math.log(sigma / following)
        kept = math.exp(-2 * h)
        x = kept * x + (1 - kept) * denoised
        if before:
            x = x + (1 - kept) / 2 * h / before[1] * (denoised - before[0])
        x = x + noise() * following * math.sqrt(1 - kept)
        before = denoised, h
    return x


def dpmpp_3m_sde(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    history: deque[tuple[Tensor, float]] = deque(maxlen=2)  # what the model made, and steps
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        denoised = yield x, sigma
        if not following:
            return denoised
        h = math.log(sigma / following)
        kept = math.exp(-2 * h)
        x = kept * x + (1 - kept) * denoised
        phi_2 = (kept - 1) / (2 * h) + 1
        if history:
            slope = (denoised - history[0][0]) / (history[0][1] / h)
            if len(history) == 2:
                r0, r1 = history[0][1] / h, history[1][1] / h
                earlier = (history[0][0] - history[1][0]) / r1
                bend = (slope - earlier) / (r0 + r1)
                slope = slope + bend * r0
                x = x - bend * (phi_2 / (2 * h) - 0.5)
            x = x + slope * phi_2
        x = x + noise() * following * math.sqrt(1 - kept)
        history.appendleft((denoised, h))
    return x


def lcm(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    for sigma, following in zip(sigmas, sigmas[1:], strict=False):
        x = yield x, sigma
        if following:
            x = x + following * noise()
    return x


def uni_pc(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    return (yield from _unified(x, sigmas, lambda h: -h))


def uni_pc_bh2(x: Tensor, sigmas: Sequence[float], noise: Noise) -> Sampling:
    return (yield from _unified(x, sigmas, lambda h: math.expm1(-h)))


def _unified(x: Tensor, sigmas: Sequence[float], b_of: Callable[[float], float]) -> Sampling:
    """UniPC (Zhao et al. 2023), which predicts the data, of order three."""
    sigmas = [*sigmas[:-1], sigmas[-1] or 0.001]  # at 0 its steps would be infinite
    steps = len(sigmas) - 1
    order = min(3, steps - 1)
    if order < 1:  # of a single step, which ComfyUI refuses
        return (yield x, sigmas[0])
    made: deque[tuple[Tensor, float]] = deque(maxlen=order)  # the newest first
    made.append(((yield x, sigmas[0]), sigmas[0]))
    for step in range(1, steps + 1):
        sigma, following = sigmas[step - 1], sigmas[step]
        h, newest = math.log(sigma / following), made[0][0]
        terms = min(len(made), steps + 1 - step)
        rates = [math.log(sigma / made[back][1]) / h for back in range(1, terms)] + [1.0]
        slopes = [(made[back][0] - newest) / rates[back - 1] for back in range(1, terms)]
        scale = b_of(h)
        base = _towards(x, newest, sigma, following)
        weights = [0.5] if terms == 2 else _unified_weights(rates[:-1], h, scale)
        x = base - scale * _combined(weights, slopes)
        if step < steps:
            denoised = yield x, following
            weights = [0.5] if terms == 1 else _unified_weights(rates, h, scale)
            x = base - scale * _combined(weights, [*slopes, denoised - newest])
            made.appendleft((denoised, following))
    return x


def _unified_weights(rates: Sequence[float], h: float, scale: float) -> Sequence[float]:
    """Those that integrate polynomials of these degrees exactly."""
    right, phi, factorial = [], math.expm1(-h) / -h - 1, 1
    for degree in range(1, len(rates) + 1):
        right.append(phi * factorial / scale)
        factorial *= degree + 1
        phi = phi / -h - 1 / factorial
    powers = [[rate**degree for rate in rates] for degree in range(len(rates))]
    if not rates:
        return []
    solved = torch.linalg.solve(
        torch.tensor(powers, dtype=torch.float64), torch.tensor(right, dtype=torch.float64)
    )
    return solved.tolist()


def _combined(weights: Iterable[float], slopes: Iterable[Tensor]) -> Tensor | float:
    return sum((w * slope for w, slope in zip(weights, slopes, strict=True)), 0.0)


def _towards(x: Tensor, denoised: Tensor, sigma: float, following: float) -> Tensor:
    """Euler's step; DPM-Solver++'s of first order is the same."""
    return denoised + (x - denoised) * (following / sigma)


def _ancestral(sigma: float, following: float, eta: float = 1.0) -> tuple[float, float]:
    """The sigma to go down to, and that of the noise which leads up again."""
    variance = following**2 * (sigma**2 - following**2) / sigma**2
    up = min(following, eta * math.sqrt(max(0.0, variance)))
    return math.sqrt(following**2 - up**2), up


def _ends(sigmas: Sequence[float]) -> tuple[float, float]:
    """-log sigma of the first and the last one that is not 0."""
    return -math.log(sigmas[0]), -math.log(sigmas[-1] or sigmas[-2])


def _first_or_second_order(x: Tensor, eps: Tensor, s: float, t: float, order: int) -> Any:
    h, sigma = t - s, math.exp(-t)
    ahead = x - sigma * math.expm1(h) * eps
    if order == 1:
        return ahead
    middle = math.exp(-(s + h / 2))
    halfway = x - middle * math.expm1(h / 2) * eps
    eps_2 = (halfway - (yield halfway, middle)) / middle
    return ahead - sigma * math.expm1(h) * (eps_2 - eps)


def _third_order(x: Tensor, eps: Tensor, s: float, t: float) -> Any:
    """And the second order that comes with it."""
    h, sigma = t - s, math.exp(-t)
    first, second = (math.exp(-(s + h * part)) for part in (1 / 3, 2 / 3))
    u1 = x - first * math.expm1(h / 3) * eps
    change = (u1 - (yield u1, first)) / first - eps
    curve = math.expm1(h * 2 / 3) / (h * 2 / 3) - 1
    u2 = x - second * (math.expm1(h * 2 / 3) * eps + 2 * curve * change)
    eps_2 = (u2 - (yield u2, second)) / second
    ahead = x - sigma * math.expm1(h) * eps
    low = ahead - sigma * 1.5 * math.expm1(h) * change
    high = ahead - sigma * 1.5 * (math.expm1(h) / h - 1) * (eps_2 - eps)
    return high, low


def _lagrange_integral(nodes: Sequence[float], which: int, start: float, end: float) -> float:
    """Of the polynomial that is 1 at one node and 0 at the others; exact to degree three."""
    others = [node for back, node in enumerate(nodes) if back != which]

    def value(at: float) -> float:
        return math.prod((at - node) / (nodes[which] - node) for node in others)

    middle, half = (start + end) / 2, (end - start) / 2
    ends = half / math.sqrt(3)  # Gauss and Legendre's points
    return half * (value(middle - ends) + value(middle + ends))


SAMPLERS: dict[str, Sampler] = {
    **{
        each.__name__: each
        for each in (
            *(euler, euler_ancestral, heun, heunpp2, dpm_2, dpm_2_ancestral, lms, dpm_fast),
            *(dpm_adaptive, dpmpp_2s_ancestral, dpmpp_sde, dpmpp_2m, dpmpp_2m_sde, dpmpp_3m_sde),
            *(lcm, uni_pc, uni_pc_bh2),
        )
    },
    # Elsewhere these draw their noise on the GPU; here all noise comes from the CPU.
    "dpmpp_sde_gpu": dpmpp_sde,
    "dpmpp_2m_sde_gpu": dpmpp_2m_sde,
    "dpmpp_3m_sde_gpu": dpmpp_3m_sde,
    "ddpm": euler_ancestral,  # the same step in other variables
    "ddim": euler,
}
WITHOUT_LAST_BUT_ONE = ("dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2")
