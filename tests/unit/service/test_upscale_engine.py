"""Pictures are enlarged in tiles that fit together. The real network runs in the tier `engines`."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support.pictures import gradient
from visioncraft.visioncraft_core.errors import ConfigError
from visioncraft.visioncraft_core.service.engines.upscale import (
    MARGIN,
    SCALE,
    TILE,
    UpscaleEngine,
    in_tiles,
)


def repeated(tile: np.ndarray) -> np.ndarray:
    return tile.repeat(SCALE, 0).repeat(SCALE, 1)


@pytest.mark.parametrize("size", [(1, 1), (TILE, TILE), (TILE + 1, 5), (7, 2 * TILE + 3)])
def test_the_tiles_make_the_whole_picture(size: tuple[int, int]):
    pixels = gradient(*size)
    told: list[tuple[int, int]] = []
    seen: list[tuple[int, ...]] = []

    def enlarge(tile: np.ndarray) -> np.ndarray:
        seen.append(tile.shape)
        return repeated(tile)

    made = in_tiles(pixels, enlarge, lambda done, total: told.append((done, total)), lambda: False)
    assert np.array_equal(made, repeated(pixels))
    assert told == [(n + 1, len(seen)) for n in range(len(seen))]
    assert max(max(shape) for shape in seen) <= TILE + 2 * MARGIN


def test_a_cancelled_one_begins_no_other_tile():
    begun: list[int] = []

    def enlarge(tile: np.ndarray) -> np.ndarray:
        begun.append(1)
        return repeated(tile)

    in_tiles(gradient(TILE * 3, 4), enlarge, lambda _done, _total: None, lambda: bool(begun))
    assert len(begun) == 1


def test_an_unknown_model_is_told_with_those_that_are_there():
    with pytest.raises(ConfigError, match=r"no upscaling model called x9.*x4plus, x4plus-anime"):
        UpscaleEngine("x9")


def test_what_is_not_installed_is_told():
    for problem in asyncio.run(UpscaleEngine().problems()):
        assert 'pip install "visioncraft[upscale]"' in problem
