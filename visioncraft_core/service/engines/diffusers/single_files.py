"""What diffusers must know of a model that is a single file, as such a file holds weights only.

Configurations are written into a folder that lasts as long as the process, and the vocabulary of
the tokenizers with them, so that nothing is looked for elsewhere. Values are those of the published
models.
"""

# An extra without types of its own; where it is missing, this folder has its name.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import inspect
import json
import logging
import lzma
import re
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ...engine import GenerationFailed

log = logging.getLogger("visioncraft.service")

_BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
_NOISE = {
    **_BETAS,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}
_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
_CLIP = {"vocab_size": 49408, "bos_token_id": 49406, "eos_token_id": 49407}
_CLIP_L = {
    **_CLIP,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
}
_CLIP_G = {
    **_CLIP,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_attention_heads": 20,
    "num_hidden_layers": 32,
    "hidden_act": "gelu",
    "projection_dim": 1280,
}
_XL_UNET = {
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "sample_size": 128,
}
_TEXT = ("transformers", "CLIPTextModel", _CLIP_L)
_TEXT_2 = ("transformers", "CLIPTextModelWithProjection", _CLIP_G)
_XL_SHARED = {
    "scheduler": ("diffusers", "EulerDiscreteScheduler", _NOISE),
    "vae": ("diffusers", "AutoencoderKL", {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025}),
    "text_encoder_2": _TEXT_2,
    "tokenizer_2": ("transformers", "CLIPTokenizer", {"pad_token": "!"}),
}
_TOKENIZER = ("transformers", "CLIPTokenizer", {"pad_token": "<|endoftext|>"})
_CROSS, _PLAIN = "CrossAttn{}Block2D", "{}Block2D"

Part = tuple[str, str, Mapping[str, Any]]  # library, class and configuration


def _unet(kinds: Sequence[str], **values: Any) -> Part:
    down = [kind.format("Down") for kind in kinds]
    up = [kind.format("Up") for kind in reversed(kinds)]
    blocks = {"down_block_types": down, "up_block_types": up}
    return "diffusers", "UNet2DConditionModel", {**blocks, **values}


MODELS: Mapping[str, tuple[str, Mapping[str, Part], Mapping[str, Any]]] = {
    "sd": (
        "StableDiffusionPipeline",
        {
            "scheduler": ("diffusers", "PNDMScheduler", _NOISE),
            "vae": ("diffusers", "AutoencoderKL", {**_VAE, "sample_size": 512}),
            "text_encoder": _TEXT,
            "tokenizer": _TOKENIZER,
            "unet": _unet([_CROSS] * 3 + [_PLAIN], cross_attention_dim=768, sample_size=64),
        },
        {"safety_checker": [None, None], "requires_safety_checker": False},
    ),
    "xl": (
        "StableDiffusionXLPipeline",
        {
            **_XL_SHARED,
            "text_encoder": _TEXT,
            "tokenizer": _TOKENIZER,
            "unet": _unet(
                [_PLAIN, _CROSS, _CROSS],
                **_XL_UNET,
                block_out_channels=[320, 640, 1280],
                attention_head_dim=[5, 10, 20],
                transformer_layers_per_block=[1, 2, 10],
                cross_attention_dim=2048,
                projection_class_embeddings_input_dim=2816,
            ),
        },
        {},
    ),
    "refiner": (
        "StableDiffusionXLImg2ImgPipeline",
        {
            **_XL_SHARED,
            "unet": _unet(
                [_PLAIN, _CROSS, _CROSS, _PLAIN],
                **_XL_UNET,
                block_out_channels=[384, 768, 1536, 1536],
                attention_head_dim=[6, 12, 24, 24],
                transformer_layers_per_block=4,
                cross_attention_dim=1280,
                projection_class_embeddings_input_dim=2560,
            ),
        },
        {
            "text_encoder": [None, None],
            "tokenizer": [None, None],
            "requires_aesthetics_score": True,
        },
    ),
}
_UNET = "model.diffusion_model."
_SIGNS = {  # the width of the texts that the second block looks at
    768: ("sd", f"{_UNET}input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"),
    2048: ("xl", f"{_UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"),
    1280: ("refiner", f"{_UNET}input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight"),
}


def configuration(path: Path) -> tuple[str, Path]:
    """Which kind of model a file holds, sd, xl or refiner, and the folder of its configuration.

    Raises GenerationFailed for others.
    """
    found = shapes(path)
    channels = found.get(f"{_UNET}input_blocks.0.0.weight", [0, 0])[1]
    for width, (kind, sign) in _SIGNS.items():
        if channels == 4 and found.get(sign, [0, 0])[1] == width:
            return kind, written(kind)
    raise unusable(path)


def unusable(path: Path | str) -> GenerationFailed:
    log.error("%s holds no model of the kind that the configuration takes it for.", path)
    return GenerationFailed(
        "The engine of this server cannot use the file of this model. Choose another one, or tell "
        "whoever runs the server."
    )


def motion_adapter(path: Path, dtype: Any) -> Any:
    """AnimateDiff's motion module, from a folder or from a file of any of its versions."""
    import torch
    from diffusers import MotionAdapter
    from safetensors.torch import load_file

    if path.is_dir():
        return MotionAdapter.from_pretrained(str(path), dtype=dtype, local_files_only=True)
    weights: Any
    if path.suffix == ".safetensors":
        weights = load_file(path)
    else:  # a pickle, of which only tensors are read
        weights = torch.load(path, map_location="cpu", weights_only=True)
    weights = weights.get("state_dict", weights)
    weights = {name.removeprefix("module."): each for name, each in weights.items()}
    folder = Path(_folder().name) / "motion"
    frames = next(
        each.shape[1] for name, each in weights.items() if name.endswith("pos_encoder.pe")
    )
    middle = any(name.startswith("mid_block.") for name in weights)
    values = {"motion_max_seq_length": frames, "use_motion_mid_block": middle}
    _write(folder / "config.json", {"_class_name": "MotionAdapter", **values})
    read: Any = MotionAdapter.from_single_file
    return read(weights, config=str(folder), local_files_only=True, torch_dtype=dtype)


def lora_width(path: Path) -> int | None:
    """The width of the texts for which a LoRA was made: 768 is Stable Diffusion 1.x, 2048 XL.

    None where it does not change how they are looked at.
    """
    for name, shape in shapes(path).items():
        if re.search(r"attn2.to_k.*lora(_down|\.down|_A)", name):
            return shape[1]
    return None


def vocabulary() -> tuple[list[str], list[str]]:
    """CLIP's tokens in the order of their numbers, and the merges that make them."""
    compressed = Path(__file__).with_name("clip") / "merges.txt.xz"
    merges = lzma.decompress(compressed.read_bytes()).decode().splitlines()
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    # Bytes that are no printable characters are written as the characters from 256 on.
    letters = [*map(chr, shown), *map(chr, range(256, 512 - len(shown)))]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += [merge.replace(" ", "") for merge in merges]
    return [*tokens, "<|startoftext|>", "<|endoftext|>"], merges


@cache
def written(kind: str) -> Path:
    """The folder of the configuration of one of MODELS."""
    folder = Path(_folder().name) / kind
    name, parts, more = MODELS[kind]
    index = {"_class_name": name, "feature_extractor": [None, None], **more}
    index.update({part: [library, of] for part, (library, of, _) in parts.items()})
    _write(folder / "model_index.json", index)
    for part, (library, of, values) in parts.items():
        if of == "CLIPTokenizer":
            _write_tokenizer(folder / part, values)
        elif part == "scheduler":
            _write(folder / part / "scheduler_config.json", {"_class_name": of, **values})
        else:
            usual = _defaults(of) if library == "diffusers" else {}
            _write(folder / part / "config.json", {**usual, "_class_name": of, **values})
    return folder


def _defaults(of: str) -> Mapping[str, Any]:
    """Of a class of diffusers, which leaves none of them to itself when it reads single files."""
    import diffusers

    known = inspect.signature(getattr(diffusers, of)).parameters.values()
    return {each.name: each.default for each in known if each.default is not each.empty}


def _write_tokenizer(folder: Path, values: Mapping[str, Any]) -> None:
    tokens, merges = vocabulary()
    _write(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]), "utf-8")
    ends = {"bos_token": tokens[-2], "eos_token": tokens[-1], "unk_token": tokens[-1]}
    # Without a length, texts are padded to more than the encoder takes.
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, **ends, **values}
    _write(folder / "tokenizer_config.json", settings)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="visioncraft-")


def shapes(path: Path) -> dict[str, list[int]]:
    """Of the tensors in a file, by their names; the header tells them."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
