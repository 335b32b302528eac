from __future__ import annotations

import numpy as np
import torch
from conftest import gradient
from visioncraft.nodes import tensors
from visioncraft.visioncraft_core.media import Picture


def test_pictures_become_one_batch_of_float_rgb():
    batch = tensors.images([Picture(gradient()), Picture(gradient()[::-1].copy())])
    assert batch.shape == (2, 24, 32, 3)
    assert batch.dtype == torch.float32
    assert batch.is_contiguous()


def test_every_level_comes_back_exactly_through_comfyuis_truncation():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
    batch = tensors.images([Picture(levels)])
    assert np.array_equal(np.clip(255.0 * batch[0].numpy(), 0, 255).astype(np.uint8), levels)


def test_a_mask_is_1_where_the_picture_is_transparent():
    alpha = np.array([[255, 0], [128, 255]], np.uint8)
    mask = tensors.masks([Picture(gradient(2, 2), alpha), Picture(gradient(2, 2))])
    assert mask.shape == (2, 2, 2)
    assert torch.allclose(mask[0], torch.tensor([[0.0, 1.0], [1 - 128 / 255, 0.0]]))
    assert not mask[1].any()


def test_pictures_of_different_size_are_padded_and_the_padding_is_transparent():
    batch = [Picture(gradient(4, 2)), Picture(gradient(2, 4))]
    assert tensors.common_size(batch) == (4, 4)
    images, masks = tensors.images(batch), tensors.masks(batch)
    assert images.shape == (2, 4, 4, 3)
    assert not images[0, 2:].any()
    assert masks[0, 2:].all()
    assert not masks[0, :2].any()
    assert masks[1, :, 2:].all()
