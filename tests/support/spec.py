"""The witness: rows copied by hand from the specification of 2024-02-15.

Tests that derive from the declarations cannot notice a wrong declaration; this table can. Where
the specification is silent the row follows the service's own OpenAPI page (marked O).
"""

NONE = object()

# path, field, required, default, lowest, highest
ROWS = [
    ("/generate", "model", True, NONE, NONE, NONE),
    ("/generate", "sampler", True, NONE, NONE, NONE),
    ("/generate", "prompt", True, NONE, NONE, NONE),
    ("/generate", "negative_prompt", False, "", NONE, NONE),
    ("/generate", "image_count", False, 1, 1, 5),  # O: default 1
    ("/generate", "cfg_scale", False, 10, 0, 20),
    ("/generate", "steps", False, 30, 1, 50),
    ("/generate", "loras", False, {}, NONE, NONE),
    ("/generate-xl", "prompt", True, NONE, NONE, NONE),
    ("/generate-xl", "model", False, "sdxl-turbo", NONE, NONE),  # the example; the first is paid
    ("/generate-xl", "negative_prompt", False, "", NONE, NONE),
    ("/generate-xl", "width", False, 1024, 64, 1024),
    ("/generate-xl", "height", False, 1024, 64, 1024),
    ("/generate-xl", "sampler", False, "euler", NONE, NONE),  # O
    ("/generate-xl", "scheduler", False, "normal", NONE, NONE),  # O
    ("/generate-xl", "refiner", False, False, NONE, NONE),
    ("/img2img", "prompt", True, NONE, NONE, NONE),
    ("/img2img", "negative_prompt", False, "", NONE, NONE),
    ("/img2img", "image", True, NONE, NONE, NONE),
    ("/img2img", "scheduler", False, "DDIM", NONE, NONE),
    ("/img2img", "steps", False, 50, 1, 50),
    ("/img2img", "strength", False, 0.8, 0.0, 1.0),
    ("/img2img", "refiner", False, "no_refiner", NONE, NONE),
    ("/llm", "model", True, NONE, NONE, NONE),
    ("/llm", "messages", True, NONE, NONE, NONE),
    ("/premium/llm", "model", True, NONE, NONE, NONE),
    ("/premium/llm", "message", True, NONE, NONE, NONE),
    ("/premium/llm", "chat_id", False, "", NONE, NONE),
    ("/generate-gif", "sampler", True, NONE, NONE, NONE),
    ("/generate-gif", "prompt", True, NONE, NONE, NONE),
    ("/generate-gif", "negative_prompt", False, "", NONE, NONE),
    ("/generate-gif", "cfg_scale", False, 10, 0, 20),
    ("/generate-gif", "steps", False, 30, 1, 50),
    ("/img2video", "image", True, NONE, NONE, NONE),
    ("/upscale", "image", True, NONE, NONE, NONE),
]

# path, catalog of each choice field
CHOICES = {
    ("/generate", "model"): "models",
    ("/generate", "sampler"): "samplers",
    ("/generate", "loras"): "loras",
    ("/generate-xl", "model"): "models-xl",
    ("/generate-xl", "sampler"): "samplers-xl",
    ("/generate-xl", "scheduler"): "schedulers-xl",
    ("/img2img", "scheduler"): "img2img/schedulers",
    ("/img2img", "refiner"): "img2img/refiners",
    ("/llm", "model"): "models-llm",
    ("/premium/llm", "model"): "models-llm-premium",
    ("/generate-gif", "sampler"): "samplers",
}

# The names that the specification prints, in its order ("Ims" is ComfyUI's "lms").
CATALOGS = {
    "/models": [
        "3guofeng3_v3.4",
        "absolutereality_v1.6",
        "absolutereality_v1.8.1",
        "amIReal_v4.1",
        "analog_diffusion_v1",
        "anything_v3.0",
        "anything_v4.5",
        "anything_V5",
    ],
    "/samplers": ["Euler", "Euler a", "LMS", "Heun", "DPM2", "DPM2 a"],
    "/loras": [
        "0mib3_v10",
        "3DMM_V12",
        "age_slider_v20",
        "arcane_offset",
        "AstralMecha",
        "epi_noiseoffset2",
        "eye_size_slider_v1",
    ],
    "/models-xl": ["sdxl-base", "sdxl-turbo"],
    "/samplers-xl": [
        "euler",
        "euler_ancestral",
        "heun",
        "heunpp2",
        "dpm_2",
        "dpm_2_ancestral",
        "lms",
    ],
    "/schedulers-xl": ["normal", "karras", "exponential", "sgm_uniform"],
    "/img2img/schedulers": ["DDIM", "DPMSolverMultistep", "HeunDiscrete", "KarrasDPM"],
    "/img2img/refiners": ["no_refiner", "expert_ensemble_refiner", "base_image_refiner"],
    "/models-llm": [
        "nous-capybara-7b",
        "mistral-7b-instruct",
        "zephyr-7b-beta",
        "openchat-7b",
    ],
    "/models-llm-premium": [
        "gpt-3-5",
        "gpt-3-5-turbo",
        "gpt-3-5-turbo-instruct",
        "claude-instant",
        "google-palm",
        "llama-2-7b",
        "llama-2-13b",
        "llama-2-70b",
    ],
}

PREMIUM_PATHS = {"/premium/llm", "/img2video"}
FREE_XL_MODELS = {"sdxl-turbo", "playground-V2"}

# What the service answered at the specification's date.
SHAPES = {
    "/generate": "links",
    "/generate-xl": "bytes",
    "/img2img": "bytes",
    "/generate-gif": "links",
    "/img2video": "bytes",
    "/upscale": "links",
}
