"""The VisionCraft API: ten catalogs and eight requests.

The only place for paths, limits, defaults and help texts. Limits and names are those of the
specification of 2024-02-15; where it is silent, of the service's own OpenAPI page of 2024-03-07.

To add an endpoint: write its request class here and add it to ENDPOINTS, give it a node class in
nodes/ and a method in the engine, and copy its rows into tests/support/spec.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from .fields import (
    BooleanField,
    ChoiceField,
    ImageField,
    IntegerField,
    MessageField,
    MessagesField,
    NumberField,
    Request,
    TextField,
    WeightsField,
    field,
)

# Lists of names, each with what it lists: GET of a slash and the name answers a JSON array.
CATALOGS = {
    "models": "Stable Diffusion 1.x models",
    "samplers": "Stable Diffusion 1.x and GIF samplers",
    "loras": "Stable Diffusion 1.x LoRAs",
    "models-xl": "Stable Diffusion XL models",
    "samplers-xl": "Stable Diffusion XL samplers",
    "schedulers-xl": "Stable Diffusion XL schedulers",
    "img2img/schedulers": "Image to image schedulers",
    "img2img/refiners": "Image to image refiners",
    "models-llm": "Language models",
    "models-llm-premium": "Language models for premium accounts",
}

JOB_STATUS_PATH = "/job-status"  # outside the specification; the service used jobs for a week

_PROMPT = (
    "Describe the subject, setting, light and style, the most important first. Short phrases work "
    "as well as whole sentences."
)
_NEGATIVE = (
    "What to keep out of the picture, for example blurry, text, extra fingers. If empty, it is not "
    "sent, and the service uses its own list of common flaws."
)
_SAMPLER = (
    "The method that turns noise into a picture. Euler is a good start; DPM++ 2M Karras often "
    "needs fewer steps. With names that end in a, the picture keeps changing as steps rise."
)
_CFG = (
    "How closely the picture follows the prompt. 7 to 10 suits most models; lower values leave the "
    "model more freedom, values near 20 give harsh colours, and near 0 the prompt hardly counts."
)
_STEPS = (
    "How many passes refine the picture. 20 to 30 is usually enough; more takes longer and rarely "
    "looks better, fewer than 10 looks rough."
)


@dataclass(frozen=True, kw_only=True)
class Generate(Request):
    """Generates one to five pictures from text with a Stable Diffusion 1.x model."""

    path = "/generate"
    id = "VisionCraftGenerate"
    title = "SD Generate (txt2img)"
    output = "images"
    answer_form = "links"

    model: str = field(
        ChoiceField(catalog="models", suggested="anything_V5"),
        "The Stable Diffusion 1.x model. It shapes the style more than any other input, so try "
        "several: names from a Catalog Loader run this node once for each.",
    )
    sampler: str = field(ChoiceField(catalog="samplers", suggested="Euler"), _SAMPLER)
    prompt: str = field(TextField(multiline=True), _PROMPT)
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    image_count: int = field(
        IntegerField(1, 5),
        "How many pictures one call generates. Ask for several while you search for a good prompt.",
        default=1,
    )
    cfg_scale: int = field(IntegerField(0, 20), _CFG, default=10)
    steps: int = field(IntegerField(1, 50), _STEPS, default=30)
    loras: dict[str, float] = field(
        WeightsField(catalog="loras"),
        "Small add-on models for a style or a subject, from LoRA Stack nodes. Use as few as you "
        "can: several at full weight spoil each other.",
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class GenerateXL(Request):
    """Generates a picture of the size you choose from text with a Stable Diffusion XL model."""

    path = "/generate-xl"
    id = "VisionCraftGenerateXL"
    title = "SDXL Generate (txt2img)"
    output = "images"
    answer_form = "bytes"
    free = {"model": ("sdxl-turbo", "playground-V2")}

    prompt: str = field(TextField(multiline=True), _PROMPT)
    # The first name of the catalog, sdxl-base, needs a paid account.
    model: str = field(
        ChoiceField(catalog="models-xl"),
        "The Stable Diffusion XL model. sdxl-turbo and playground-V2 are free; the others need a "
        "premium account. sdxl-turbo trades some detail for speed.",
        default="sdxl-turbo",
    )
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    width: int = field(
        IntegerField(64, 1024, step=8),
        "Width in pixels. SDXL models work best at 1024 x 1024. For an upright picture lower the "
        "width, for example to 768. Pictures well below 512 lose detail and composition.",
        default=1024,
    )
    height: int = field(
        IntegerField(64, 1024, step=8),
        "Height in pixels. SDXL models work best at 1024 x 1024. For a landscape lower the height, "
        "for example to 768.",
        default=1024,
    )
    sampler: str = field(
        ChoiceField(catalog="samplers-xl"),
        "The method that turns noise into a picture. euler is a good start. Names with ancestral "
        "add fresh noise at each step, which varies pictures more; heun and dpm_2 take about twice "
        "as long and are more exact.",
        default="euler",
    )
    scheduler: str = field(
        ChoiceField(catalog="schedulers-xl"),
        "How quickly noise is removed from step to step. Keep normal unless a picture looks noisy "
        "or washed out; then try karras, which spends more steps on fine detail.",
        default="normal",
    )
    refiner: bool = field(
        BooleanField(),
        "Lets a second model rework fine detail. It takes longer: leave it off while you try "
        "prompts, and turn it on for the final picture.",
        default=False,
    )


@dataclass(frozen=True, kw_only=True)
class ImageToImage(Request):
    """Redraws a picture as the prompt asks."""

    path = "/img2img"
    id = "VisionCraftImg2Img"
    title = "Img2Img"
    output = "images"
    answer_form = "bytes"

    prompt: str = field(
        TextField(multiline=True),
        "Describe the whole picture that you want, including what should stay as it is.",
    )
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    image: bytes = field(
        ImageField(), "The picture to redraw. Each picture of a batch is a request of its own."
    )
    scheduler: str = field(
        ChoiceField(catalog="img2img/schedulers"),
        "How noise is removed from step to step. DDIM is a good start; DPMSolverMultistep usually "
        "needs fewer steps, 20 to 30.",
        default="DDIM",
    )
    steps: int = field(
        IntegerField(1, 50),
        "How many passes refine the picture. 30 to 50 is a good range. A low strength uses only a "
        "part of them, so lower this only when strength is high.",
        default=50,
    )
    strength: float = field(
        NumberField(0.0, 1.0),
        "How much is redrawn: 0 returns the picture as it is, 1 ignores it. 0.3 to 0.5 changes the "
        "style and keeps the composition; 0.6 to 0.8 redraws freely.",
        default=0.8,
    )
    refiner: str = field(
        ChoiceField(catalog="img2img/refiners"),
        "A second model for fine detail; no_refiner is the fastest. expert_ensemble_refiner takes "
        "over the last steps, base_image_refiner reworks the finished picture.",
        default="no_refiner",
    )


@dataclass(frozen=True, kw_only=True)
class Chat(Request):
    """Answers a conversation with a language model."""

    path = "/llm"
    id = "VisionCraftLLM"
    title = "LLM Prompt (Chat)"
    output = "text"
    answer_form = "chat"

    model: str = field(
        ChoiceField(catalog="models-llm", suggested="mistral-7b-instruct"),
        "The language model. The number before b is its size: 7b models are quick and good enough "
        "for prompts, 34b and 70b models follow instructions better and take longer.",
    )
    messages: tuple[dict[str, str], ...] = field(MessagesField(), "The conversation, oldest first.")


@dataclass(frozen=True, kw_only=True)
class PremiumChat(Request):
    """Answers one message with a premium language model and remembers the chat by its id."""

    path = "/premium/llm"
    id = "VisionCraftPremiumLLM"
    title = "Premium LLM Prompt"
    output = "text"
    answer_form = "premium-chat"
    premium = True

    model: str = field(
        ChoiceField(catalog="models-llm-premium", suggested="gpt-3-5-turbo"),
        "The language model. gpt-3-5-turbo suits most tasks. Keep the same model for all messages "
        "of one chat.",
    )
    message: str = field(
        MessageField(multiline=True),
        "What you say to the model. It knows the earlier messages of the chat, so do not repeat "
        "them.",
    )
    chat_id: str = field(
        TextField(),
        "The chat to continue: connect chat_id of another Premium LLM Prompt. Leave it empty to "
        "start a new chat.",
        default="",
    )


@dataclass(frozen=True, kw_only=True)
class GenerateGif(Request):
    """Generates a short animation from text."""

    path = "/generate-gif"
    id = "VisionCraftGif"
    title = "Text to GIF"
    output = "animation"
    answer_form = "links"
    expected_seconds = 600.0

    sampler: str = field(ChoiceField(catalog="samplers", suggested="Euler"), _SAMPLER)
    prompt: str = field(
        TextField(multiline=True),
        "Describe one subject, how it moves, the setting and the style. Simple scenes with one "
        "movement work best.",
    )
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    cfg_scale: int = field(IntegerField(0, 20), _CFG, default=10)
    steps: int = field(IntegerField(1, 50), _STEPS, default=30)


@dataclass(frozen=True, kw_only=True)
class ImageToVideo(Request):
    """Animates a picture as a short video."""

    path = "/img2video"
    id = "VisionCraftImg2Video"
    title = "Image to Video"
    output = "video"
    answer_form = "bytes"
    expected_seconds = 900.0
    premium = True

    image: bytes = field(
        ImageField(),
        "The picture to animate. Clear subjects with room to move work best. Each picture of a "
        "batch is a request and a video of its own.",
    )


@dataclass(frozen=True, kw_only=True)
class Upscale(Request):
    """Enlarges a picture."""

    path = "/upscale"
    id = "VisionCraftUpscale"
    title = "Upscale"
    output = "images"
    answer_form = "links"
    expected_seconds = 600.0

    image: bytes = field(
        ImageField(),
        "The picture to enlarge. Enlarge the final picture only: the larger it is, the longer it "
        "takes. Each picture of a batch is a request of its own.",
    )


ENDPOINTS: tuple[type[Request], ...] = (
    Generate,
    GenerateXL,
    ImageToImage,
    Chat,
    PremiumChat,
    GenerateGif,
    ImageToVideo,
    Upscale,
)
