"""Pipelines of random numbers as diffusers saves them, a few megabytes in all: made in seconds.

Everything is real but for the sizes, and for the tokenizer, which knows bytes and no words.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from safetensors.torch import save_file

parts: Any = diffusers  # their types do not hold
words: Any = transformers

WIDTH = 32  # of texts' states; XL's are twice as wide
_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_BLOCKS = {"block_out_channels": (32, 64), "layers_per_block": 1, "norm_num_groups": 8}


def make(folder: Path) -> None:
    """Folders sd, xl, refiner, svd and motion, and the LoRAs good.v1.5.safetensors and
    xl.safetensors."""
    torch.manual_seed(1)
    tokenizer = _tokenizer(folder / "words")
    vae = parts.AutoencoderKL(
        **{**_BLOCKS, "latent_channels": 4, "sample_size": 64},
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    text, text_2 = (
        words.CLIPTextModel(_text()),
        words.CLIPTextModelWithProjection(_text()),
    )
    noise = parts.EulerDiscreteScheduler(**_BETAS, timestep_spacing="leading", steps_offset=1)
    sd = _unet(WIDTH)
    parts.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=sd,
        scheduler=parts.PNDMScheduler(**_BETAS, skip_prk_steps=True, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder / "sd")
    shared: Any = {"vae": vae, "text_encoder_2": text_2, "tokenizer_2": tokenizer}
    parts.StableDiffusionXLPipeline(
        **shared,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=_unet(2 * WIDTH, ids=6),
        scheduler=noise,
        add_watermarker=False,
    ).save_pretrained(folder / "xl")
    parts.StableDiffusionXLImg2ImgPipeline(
        **shared,
        text_encoder=None,
        tokenizer=None,
        unet=_unet(WIDTH, ids=5),
        scheduler=noise,
        requires_aesthetics_score=True,
        add_watermarker=False,
    ).save_pretrained(folder / "refiner")
    _motion(folder / "motion")
    _video(folder / "svd")
    for name, width in (("good.v1.5", WIDTH), ("xl", 2 * WIDTH)):
        save_file(_lora(sd, width), folder / f"{name}.safetensors")


def _motion(folder: Path) -> None:
    parts.MotionAdapter(
        block_out_channels=(32, 64),
        motion_layers_per_block=1,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=8,
        motion_max_seq_length=24,
        use_motion_mid_block=False,
    ).save_pretrained(folder)


def _unet(width: int, ids: int = 0) -> Any:
    """`ids` are the numbers that XL takes beside the prompt, such as sizes."""
    more: dict[str, Any] = {}
    if ids:
        more = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 8 * ids + WIDTH,
            "use_linear_projection": True,
        }
    return parts.UNet2DConditionModel(
        **_BLOCKS,
        **more,
        sample_size=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=8,
    )


def _text() -> Any:
    return words.CLIPTextConfig(
        hidden_size=WIDTH,
        intermediate_size=37,
        num_attention_heads=4,
        num_hidden_layers=3,
        vocab_size=514,
        projection_dim=WIDTH,
        bos_token_id=512,
        eos_token_id=513,
        pad_token_id=1,
    )


def _tokenizer(folder: Path) -> Any:
    """Every byte is a token, and every byte at the end of a word."""
    folder.mkdir(parents=True)
    letters = _bytes()
    names = [*letters, *(letter + "</w>" for letter in letters)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return words.CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77
    )


def _bytes() -> list[str]:
    """The printable characters that stand for the 256 bytes, in CLIP's order."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = 256 - len(shown)
    return [*map(chr, shown), *(chr(256 + number) for number in range(hidden))]


def _video(folder: Path) -> None:
    vae = parts.AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        sample_size=32,
    )
    unet = parts.UNetSpatioTemporalConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        sample_size=8,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
        cross_attention_dim=WIDTH,
        num_attention_heads=4,
        projection_class_embeddings_input_dim=96,
        addition_time_embed_dim=32,
    )
    vision = words.CLIPVisionModelWithProjection(
        words.CLIPVisionConfig(
            hidden_size=WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=224,
            intermediate_size=37,
            patch_size=32,
        )
    )
    parts.StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=vision,
        unet=unet,
        scheduler=parts.EulerDiscreteScheduler(
            **_BETAS,
            prediction_type="v_prediction",
            use_karras_sigmas=True,
            sigma_min=0.002,
            sigma_max=700.0,
            timestep_type="continuous",
            timestep_spacing="leading",
        ),
        feature_extractor=words.CLIPImageProcessor(crop_size=224, size=224),
    ).save_pretrained(folder)


def _lora(unet: Any, width: int) -> dict[str, torch.Tensor]:
    """For the cross attention, with its names as Kohya's trainer writes them."""
    weights: dict[str, torch.Tensor] = {}
    for name, module in unet.named_modules():
        if name.endswith(("attn2.to_k", "attn2.to_v")):
            key = "lora_unet_" + name.replace(".", "_")
            weights[f"{key}.lora_down.weight"] = torch.randn(4, width)
            weights[f"{key}.lora_up.weight"] = torch.randn(module.out_features, 4)
            weights[f"{key}.alpha"] = torch.tensor(4.0)
    return weights
