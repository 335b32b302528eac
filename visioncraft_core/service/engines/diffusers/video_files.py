"""Stable Video Diffusion from a single file, which diffusers reads from folders only.

Its authors' names of the weights are found from those of diffusers.
"""

# An extra without types of its own; where it is missing, this folder has its name.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false
# pyright: reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .single_files import shapes, unusable

_UNET, _VAE = "model.diffusion_model.", "first_stage_model."
_VISION = "conditioner.embedders.0.open_clip.model.visual."
_SIZES = [320, 640, 1280, 1280]
_DOWN, _UP = "CrossAttnDownBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"
UNET = {
    "in_channels": 8,
    "block_out_channels": _SIZES,
    "down_block_types": [_DOWN] * 3 + ["DownBlockSpatioTemporal"],
    "up_block_types": ["UpBlockSpatioTemporal"] + [_UP] * 3,
    "num_attention_heads": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 768,
    "sample_size": 96,
}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 768,
    "scaling_factor": 0.18215,
    "force_upcast": True,
}
VISION = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 224,
    "projection_dim": 1024,
    "hidden_act": "gelu",
}
NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "steps_offset": 1,
}

_RESIDUAL = (
    (r"norm1\b", "in_layers.0"),
    (r"conv1\b", "in_layers.2"),
    (r"time_emb_proj\b", "emb_layers.1"),
    (r"norm2\b", "out_layers.0"),
    (r"conv2\b", "out_layers.3"),
    (r"conv_shortcut\b", "skip_connection"),
)


def unet_name(name: str) -> str:
    """What the authors call a weight of UNetSpatioTemporalConditionModel."""
    place, _, rest = name.partition(".")
    if place in ("down_blocks", "up_blocks"):
        block, kind, number, rest = rest.split(".", 3)
        layer = 3 * int(block) + int(number)
        if kind == "downsamplers":
            return f"{_UNET}input_blocks.{3 * int(block) + 3}.0.op.{rest.removeprefix('conv.')}"
        if kind == "upsamplers":  # after the attention, which the first block lacks
            return f"{_UNET}output_blocks.{layer + 2}.{1 if block == '0' else 2}.{rest}"
        blocks, first = ("input_blocks", 1) if place == "down_blocks" else ("output_blocks", 0)
        start = f"{blocks}.{first + layer}.{int(kind == 'attentions')}."
    elif place == "mid_block":
        kind, number, rest = rest.split(".", 2)
        start = f"middle_block.{1 if kind == 'attentions' else 2 * int(number)}."
    else:
        outer = {
            "conv_in": "input_blocks.0.0",
            "conv_norm_out": "out.0",
            "conv_out": "out.2",
            "time_embedding": "time_embed",
            "add_embedding": "label_emb.0",
        }
        return f"{_UNET}{outer[place]}.{_linear(rest)}"
    if kind == "resnets":
        return _UNET + start + _residual(rest.replace("spatial_res_block.", ""))
    rest = rest.replace("temporal_transformer_blocks", "time_stack")
    return _UNET + start + (_linear(rest) if rest.startswith("time_pos_embed") else rest)


def vae_name(name: str) -> str:
    """What the authors call a weight of AutoencoderKLTemporalDecoder."""
    name = name.replace("time_conv_out", "conv_out.time_mix_conv")
    name = name.replace("conv_norm_out", "norm_out").replace("mid_block", "mid")
    name = re.sub(r"mid\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    name = re.sub(r"down_blocks\.(\d)\.resnets", r"down.\1.block", name)
    name = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", name)
    # The authors count the decoder's blocks from the end.
    name = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{3 - int(found[1])}", name)
    name = name.replace("resnets", "block").replace("upsamplers.0", "upsample")
    parts = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    for own, theirs in parts.items():
        name = name.replace(f"attentions.0.{own}.", f"attn_1.{theirs}.")
    if "temporal_res_block" in name:
        return _VAE + _residual(name)
    name = name.replace("spatial_res_block.", "").replace("time_mixer.", "")
    return _VAE + name.replace("conv_shortcut", "nin_shortcut")


def vision_name(name: str) -> str:
    """What OpenCLIP calls a weight of CLIPVisionModelWithProjection; of queries, keys and values
    what they are a part of."""
    parts = {
        "visual_projection.weight": "proj",
        "vision_model.": "",
        "embeddings.class_embedding": "class_embedding",
        "embeddings.patch_embedding": "conv1",
        "embeddings.position_embedding.weight": "positional_embedding",
        "pre_layrnorm": "ln_pre",
        "post_layernorm": "ln_post",
        "encoder.layers": "transformer.resblocks",
        "layer_norm": "ln_",
        "self_attn.out_proj": "attn.out_proj",
        "fc1": "c_fc",
        "fc2": "c_proj",
    }
    for own, theirs in parts.items():
        name = name.replace(own, theirs)
    return _VISION + re.sub(r"self_attn\.[qkv]_proj\.", "attn.in_proj_", name)


def pipeline(path: Path, dtype: Any) -> Any:
    """StableVideoDiffusionPipeline of a file. Raises GenerationFailed for others."""
    import diffusers
    import torch
    from safetensors import safe_open
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    if f"{_VISION}proj" not in shapes(path):
        raise unusable(path)
    with torch.device("meta"):
        unet: Any = diffusers.UNetSpatioTemporalConditionModel(**UNET)
        vae: Any = diffusers.AutoencoderKLTemporalDecoder(**VAE)
        vision: Any = CLIPVisionModelWithProjection(CLIPVisionConfig(**VISION))
    with safe_open(path, "pt") as file:
        _fill(unet, [unet_name(name) for name in unet.state_dict()], file, dtype)
        _fill(vae, [vae_name(name) for name in vae.state_dict()], file, dtype)
        _fill(vision, [vision_name(name) for name in vision.state_dict()], file, dtype)
    places = vision.vision_model.embeddings  # whose numbers are in no file
    places.position_ids = torch.arange(places.num_positions).expand(1, -1)
    return diffusers.StableVideoDiffusionPipeline(
        vae=vae,
        image_encoder=vision,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(**NOISE),
        feature_extractor=CLIPImageProcessor(size=224, crop_size=224),
    )


def _fill(model: Any, names: Sequence[str], file: Any, dtype: Any) -> None:
    """Gives a model the weights that are called so, in the order of its own."""
    import torch

    known, weights = set(file.keys()), {}
    for (own, empty), name in zip(model.state_dict().items(), names, strict=True):
        shape = empty.shape
        if "quant_conv" in name and name not in known:  # the authors have none, which is the same
            value = torch.eye(*shape[:2]).reshape(shape) if len(shape) > 1 else torch.zeros(shape)
        else:
            value = file.get_tensor(name)
        if "in_proj" in name:
            value = value.chunk(3)["qkv".index(own.split("_proj")[0][-1])]
        if name.endswith("visual.proj"):
            value = value.T
        weights[own] = value.reshape(shape).to(dtype)
    model.load_state_dict(weights, assign=True)
    model.train(mode=False)


def _residual(name: str) -> str:
    name = name.replace("temporal_res_block", "time_stack")
    for own, theirs in _RESIDUAL:
        name = re.sub(own, theirs, name)
    return name


def _linear(name: str) -> str:
    return name.replace("linear_1", "0").replace("linear_2", "2")
