"""Models of random numbers that a ComfyUI runs: `python random_models.py FOLDER`, in its folder and
with its interpreter.

It takes a network for Stable Diffusion 1.x by its widths alone, so this one has two short levels.
The text encoder and the VAE have their full size: half a GB, written in about 20 seconds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

CHECKPOINT, LORA, UPSCALER = (
    "random.safetensors",
    "random_lora.safetensors",
    "random_x2.safetensors",
)


def main(models: Path) -> None:
    sys.path.insert(0, str(Path.cwd()))
    from comfy.cli_args import args

    args.cpu = True
    import torch
    from comfy import ops, sd1_clip
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from safetensors.torch import save_file

    torch.manual_seed(1)
    plain: Any = {"dtype": torch.float16, "device": "meta", "operations": ops.disable_weight_init}
    unet = UNetModel(
        image_size=32,
        in_channels=4,
        out_channels=4,
        model_channels=320,
        num_res_blocks=[1, 1],
        channel_mult=[1, 1],
        transformer_depth=[1, 0],
        transformer_depth_output=[1, 1, 0, 0],
        transformer_depth_middle=1,
        context_dim=768,
        num_heads=8,
        use_spatial_transformer=True,
        **plain,
    )
    clip = sd1_clip.SDClipModel(device="meta", dtype=torch.float16)
    levels = {"ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": []}
    sizes = {"in_channels": 3, "out_ch": 3, "z_channels": 4, "resolution": 256, "double_z": True}
    with torch.device("meta"):
        vae = AutoencoderKL(ddconfig={**levels, **sizes, "dropout": 0.0}, embed_dim=4)

    def random(shape: torch.Size, name: str) -> torch.Tensor:
        if len(shape) < 2:
            return torch.full(shape, float(name.endswith("weight"))).half()
        return (torch.randn(shape) / shape[1:].numel() ** 0.5).half()

    parts = {
        "model.diffusion_model.": unet,
        "cond_stage_model.": clip,
        "first_stage_model.": vae,
    }
    tensors = {
        prefix + name: random(value.shape, name)
        for prefix, part in parts.items()
        for name, value in part.state_dict().items()
        if value.is_floating_point()
    }
    save_file(tensors, models / "checkpoints" / CHECKPOINT)

    block = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_v"
    lora = {
        f"{block}.lora_down.weight": torch.randn(4, 768),
        f"{block}.lora_up.weight": torch.randn(320, 4),
        f"{block}.alpha": torch.tensor(4.0),
    }
    save_file(lora, models / "loras" / LORA)

    shapes = {
        "body.0.weight": (16, 3, 3, 3),
        "body.0.bias": (16,),
        "body.1.weight": (16,),
        "body.2.weight": (16, 16, 3, 3),
        "body.2.bias": (16,),
        "body.3.weight": (16,),
        "body.4.weight": (12, 16, 3, 3),
        "body.4.bias": (12,),
    }
    upscaler = {name: torch.randn(shape) * 0.02 for name, shape in shapes.items()}
    save_file(upscaler, models / "upscale_models" / UPSCALER)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
