from __future__ import annotations

import numpy as np
import pytest
import torch
from support.pictures import gradient
from visioncraft.nodes import tensors
from visioncraft.visioncraft_core.errors import InvalidRequest
from visioncraft.visioncraft_core.media.images import DecodedImage


def test_pictures_become_one_batch_of_float_rgb():
    batch = tensors.images([DecodedImage(gradient()), DecodedImage(gradient()[::-1].copy())])
    assert batch.shape == (2, 24, 32, 3)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous()


def test_every_level_comes_back_exactly_through_comfyuis_truncation():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    batch = tensors.images([DecodedImage(levels)])
    assert np.array_equal(np.clip(255.0 * batch[0].numpy(), 0, 255).astype(np.uint8), levels)


def test_a_mask_is_1_where_the_picture_is_transparent():
    alpha = np.array([[255, 0], [128, 255]], np.uint8)
    mask = tensors.masks([DecodedImage(gradient(2, 2), alpha), DecodedImage(gradient(2, 2))])
    assert mask.shape == (2, 2, 2)
    assert torch.allclose(mask[0], torch.tensor([[0.0, 1.0], [1 - 128 / 255, 0.0]]))
    assert not mask[1].any()


def test_pictures_of_different_size_are_padded_and_the_padding_is_transparent():
    batch = [DecodedImage(gradient(4, 2)), DecodedImage(gradient(2, 4))]
    assert tensors.common_size(batch) == (4, 4)
    images, masks = tensors.images(batch), tensors.masks(batch)
    assert images.shape == (2, 4, 4, 3)
    assert not images[0, 2:].any()
    assert masks[0, 2:].all()
    assert not masks[0, :2].any()
    assert masks[1, :, 2:].all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_batch_of_any_float_type_becomes_its_pictures(dtype: torch.dtype, channels: int):
    image = torch.zeros((2, 3, 5, channels), dtype=dtype)
    image[1] = 1.0
    first, second = tensors.pixels(image)
    assert first.shape == ((3, 5) if channels == 1 else (3, 5, channels))
    assert first.dtype == np.uint8
    assert (int(first.max()), int(second.min())) == (0, 255)


def test_values_are_clamped_and_rounded_half_up():
    values = [-0.5, 0.0, 0.5 / 255, 0.999, 1.0, 1.01, float("nan"), float("inf")]
    row = torch.tensor(values, dtype=torch.float64).repeat(3, 1).T.reshape(1, 1, len(values), 3)
    assert tensors.pixels(row)[0][0, :, 0].tolist() == [0, 0, 1, 255, 255, 255, 0, 255]


def test_every_level_survives_the_way_in_and_out():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    assert np.array_equal(tensors.pixels(tensors.images([DecodedImage(levels)]))[0], levels)
    assert np.array_equal(tensors.pixels(tensors.frames(levels[None]))[0], levels)


def test_a_tensor_of_comfyuis_inference_mode_and_a_lone_picture_are_taken():
    with torch.inference_mode():
        image = torch.rand((4, 4, 3))
    assert len(tensors.pixels(image)) == 1


@pytest.mark.parametrize(
    "shape", [(0, 4, 4, 3), (1, 0, 4, 3), (1, 4, 4, 2), (4, 4), (1, 1, 4, 4, 3)]
)
def test_what_holds_no_picture_is_refused(shape: tuple[int, ...]):
    with pytest.raises(InvalidRequest, match="holds no picture"):
        tensors.pixels(torch.zeros(shape))


def test_odd_sides_are_made_even_by_doubling_the_last_line():
    image = torch.rand((2, 3, 5, 3))
    padded = tensors.even(image)
    assert padded.shape == (2, 4, 6, 3)
    assert torch.equal(padded[:, :3, :5], image)
    assert torch.equal(padded[:, 3], padded[:, 2])
    assert tensors.even(padded) is padded
