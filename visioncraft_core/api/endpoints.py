"""The VisionCraft API: ten catalogs and eight requests.

The only place for paths, limits, defaults and help texts. Limits and names are those of the
specification of 2024-02-15; where it is silent, of the service's own OpenAPI page of 2024-03-07.

To add an endpoint: write its request class here and add it to ENDPOINTS, give it a node class in
nodes/ and a method in the engine, and copy its rows into tests/support/spec.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .fields import (
    AnswerForm,
    BooleanField,
    ChoiceField,
    ImageField,
    IntegerField,
    MessageField,
    MessagesField,
    NumberField,
    OutputKind,
    Request,
    TextField,
    WeightsField,
    field,
)


@dataclass(frozen=True)
class Catalog:
    """A list of names that the service offers: GET `path` answers a JSON array of strings."""

    name: str
    help: str

    @property
    def path(self) -> str:
        return f"/{self.name}"


CATALOGS = {
    catalog.name: catalog
    for catalog in (
        Catalog("models", "Stable Diffusion 1.x models"),
        Catalog("samplers", "Stable Diffusion 1.x and GIF samplers"),
        Catalog("loras", "Stable Diffusion 1.x LoRAs"),
        Catalog("models-xl", "Stable Diffusion XL models"),
        Catalog("samplers-xl", "Stable Diffusion XL samplers"),
        Catalog("schedulers-xl", "Stable Diffusion XL schedulers"),
        Catalog("img2img/schedulers", "Image to image schedulers"),
        Catalog("img2img/refiners", "Image to image refiners"),
        Catalog("models-llm", "Language models"),
        Catalog("models-llm-premium", "Language models for premium accounts"),
    )
}

JOB_STATUS_PATH = "/job-status"  # outside the specification; the service used jobs for a week

_PROMPT = "What the picture should show."
_NEGATIVE = (
    "What the picture should not show. Left empty, it is not sent and the service uses its own "
    "list of common flaws."
)
_CFG = "How strictly the picture follows the prompt: lower is freer."
_STEPS = "How many times the picture is refined: more takes longer, very few look rough."


@dataclass(frozen=True, kw_only=True)
class Generate(Request):
    """Makes one to five pictures from text with a Stable Diffusion 1.x model."""

    path: ClassVar[str] = "/generate"
    id: ClassVar[str] = "VisionCraftGenerate"
    title: ClassVar[str] = "SD Generate"
    output: ClassVar[OutputKind] = "images"
    answer_form: ClassVar[AnswerForm] = "links"

    model: str = field(
        ChoiceField(catalog="models", suggested="anything_V5"), "The Stable Diffusion 1.x model."
    )
    sampler: str = field(ChoiceField(catalog="samplers", suggested="Euler"), "The sampling method.")
    prompt: str = field(TextField(multiline=True), _PROMPT)
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    image_count: int = field(
        IntegerField(1, 5), "How many pictures to make in one call.", default=1
    )
    cfg_scale: int = field(IntegerField(0, 20), _CFG, default=10)
    steps: int = field(IntegerField(1, 50), _STEPS, default=30)
    loras: dict[str, float] = field(
        WeightsField(catalog="loras"),
        "LoRAs and their weights: small models that add a style or a subject.",
        default={},
    )


@dataclass(frozen=True, kw_only=True)
class GenerateXL(Request):
    """Makes a picture of the size you choose from text with a Stable Diffusion XL model."""

    path: ClassVar[str] = "/generate-xl"
    id: ClassVar[str] = "VisionCraftGenerateXL"
    title: ClassVar[str] = "SDXL Generate"
    output: ClassVar[OutputKind] = "images"
    answer_form: ClassVar[AnswerForm] = "bytes"
    free: ClassVar = {"model": ("sdxl-turbo", "playground-V2")}

    prompt: str = field(TextField(multiline=True), _PROMPT)
    # The first name of the catalog, sdxl-base, needs a paid account.
    model: str = field(
        ChoiceField(catalog="models-xl"),
        "The Stable Diffusion XL model. sdxl-turbo and playground-V2 are free, the others need a "
        "premium account.",
        default="sdxl-turbo",
    )
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    width: int = field(
        IntegerField(64, 1024, step=8), "Width of the picture in pixels.", default=1024
    )
    height: int = field(
        IntegerField(64, 1024, step=8), "Height of the picture in pixels.", default=1024
    )
    sampler: str = field(
        ChoiceField(catalog="samplers-xl"), "The sampling method.", default="euler"
    )
    scheduler: str = field(
        ChoiceField(catalog="schedulers-xl"), "How noise falls from step to step.", default="normal"
    )
    refiner: bool = field(BooleanField(), "Let a second model polish the picture.", default=False)


@dataclass(frozen=True, kw_only=True)
class ImageToImage(Request):
    """Redraws a picture as the prompt asks."""

    path: ClassVar[str] = "/img2img"
    id: ClassVar[str] = "VisionCraftImg2Img"
    title: ClassVar[str] = "Img2Img"
    output: ClassVar[OutputKind] = "images"
    answer_form: ClassVar[AnswerForm] = "bytes"

    prompt: str = field(TextField(multiline=True), _PROMPT)
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    image: bytes = field(ImageField(), "The picture to start from.")
    scheduler: str = field(
        ChoiceField(catalog="img2img/schedulers"),
        "How noise falls from step to step.",
        default="DDIM",
    )
    steps: int = field(IntegerField(1, 50), _STEPS, default=50)
    strength: float = field(
        NumberField(0.0, 1.0),
        "How much is redrawn: 0 keeps the picture, 1 leaves nothing of it.",
        default=0.8,
    )
    refiner: str = field(
        ChoiceField(catalog="img2img/refiners"),
        "A second model that polishes the result.",
        default="no_refiner",
    )


@dataclass(frozen=True, kw_only=True)
class Chat(Request):
    """Answers a conversation with a language model."""

    path: ClassVar[str] = "/llm"
    id: ClassVar[str] = "VisionCraftLLM"
    title: ClassVar[str] = "LLM Prompt"
    output: ClassVar[OutputKind] = "text"
    answer_form: ClassVar[AnswerForm] = "chat"

    model: str = field(
        ChoiceField(catalog="models-llm", suggested="mistral-7b-instruct"), "The language model."
    )
    messages: tuple[dict[str, str], ...] = field(MessagesField(), "The conversation, oldest first.")


@dataclass(frozen=True, kw_only=True)
class PremiumChat(Request):
    """Answers one message with a premium language model and remembers the chat by its id."""

    path: ClassVar[str] = "/premium/llm"
    id: ClassVar[str] = "VisionCraftPremiumLLM"
    title: ClassVar[str] = "Premium LLM Prompt"
    output: ClassVar[OutputKind] = "text"
    answer_form: ClassVar[AnswerForm] = "premium-chat"
    premium: ClassVar[bool] = True

    model: str = field(
        ChoiceField(catalog="models-llm-premium", suggested="gpt-3-5-turbo"), "The language model."
    )
    message: str = field(MessageField(multiline=True), "What you say to the model.")
    chat_id: str = field(
        TextField(),
        "Continues the chat with this id; leave it empty to begin a new one.",
        default="",
    )


@dataclass(frozen=True, kw_only=True)
class GenerateGif(Request):
    """Makes a short moving picture from text."""

    path: ClassVar[str] = "/generate-gif"
    id: ClassVar[str] = "VisionCraftGif"
    title: ClassVar[str] = "Text to GIF"
    output: ClassVar[OutputKind] = "animation"
    answer_form: ClassVar[AnswerForm] = "links"
    expected_seconds: ClassVar[float] = 600.0

    sampler: str = field(ChoiceField(catalog="samplers", suggested="Euler"), "The sampling method.")
    prompt: str = field(TextField(multiline=True), _PROMPT)
    negative_prompt: str = field(TextField(multiline=True), _NEGATIVE, default="")
    cfg_scale: int = field(IntegerField(0, 20), _CFG, default=10)
    steps: int = field(IntegerField(1, 50), _STEPS, default=30)


@dataclass(frozen=True, kw_only=True)
class ImageToVideo(Request):
    """Brings a picture to life as a short video."""

    path: ClassVar[str] = "/img2video"
    id: ClassVar[str] = "VisionCraftImg2Video"
    title: ClassVar[str] = "Image to Video"
    output: ClassVar[OutputKind] = "video"
    answer_form: ClassVar[AnswerForm] = "bytes"
    expected_seconds: ClassVar[float] = 900.0
    premium: ClassVar[bool] = True

    image: bytes = field(ImageField(), "The picture to bring to life.")


@dataclass(frozen=True, kw_only=True)
class Upscale(Request):
    """Makes a picture larger."""

    path: ClassVar[str] = "/upscale"
    id: ClassVar[str] = "VisionCraftUpscale"
    title: ClassVar[str] = "Upscale"
    output: ClassVar[OutputKind] = "images"
    answer_form: ClassVar[AnswerForm] = "links"
    expected_seconds: ClassVar[float] = 600.0

    image: bytes = field(ImageField(), "The picture to enlarge.")


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
