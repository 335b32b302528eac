"""The diffusers engine with real pipelines of random numbers, on a GPU where there is one."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import os
import re
import shutil
import signal
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.pictures import gradient, png_of
from support.timing import HANG

for module in ("diffusers", "transformers", "peft", "accelerate", "sqlalchemy"):
    pytest.importorskip(module, reason='diffusers needs pip install "visioncraft[diffusers,serve]"')

import torch  # noqa: E402 - an extra, as all that follows
from safetensors.torch import load_file, save_file  # noqa: E402
from support import tiny_pipelines  # noqa: E402
from support.own_servers import served  # noqa: E402
from visioncraft.visioncraft_core import (  # noqa: E402
    Client,
    Generate,
    GenerateGif,
    GenerateXL,
    ImageToImage,
    ImageToVideo,
)
from visioncraft.visioncraft_core.api.fields import Request  # noqa: E402
from visioncraft.visioncraft_core.profiles.profile import Profile, Secret  # noqa: E402
from visioncraft.visioncraft_core.service.engine import (  # noqa: E402
    EngineUnavailable,
    GenerationFailed,
    InputRejected,
    Job,
    OutOfMemory,
    Output,
)
from visioncraft.visioncraft_core.service.engines import samplers as names  # noqa: E402
from visioncraft.visioncraft_core.service.engines.diffusers import (  # noqa: E402
    single_files,
    video_files,
)
from visioncraft.visioncraft_core.service.engines.diffusers.drawing import (  # noqa: E402
    IMAGE_SCHEDULERS,
    Cancelled,
    Drawing,
)
from visioncraft.visioncraft_core.service.engines.diffusers.engine import (  # noqa: E402
    DiffusersEngine,
)
from visioncraft.visioncraft_core.service.engines.diffusers.pipelines import (  # noqa: E402
    FullNoise,
    Models,
    stock,
)
from visioncraft.visioncraft_core.service.engines.diffusers.settings import (  # noqa: E402
    DiffusersSettings,
)
from visioncraft.visioncraft_core.service.engines.pictures import (  # noqa: E402
    Checkpoint,
    GifModel,
    VideoModel,
)

pytestmark = [  # torch and NumPy disagree about an argument, inside diffusers, and XL's with itself
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:`upcast_vae` is deprecated:FutureWarning"),
]
torch.set_num_threads(1)  # more are slower for networks so small
SIDE = (64, 64)
SD = Checkpoint(file="sd", size=SIDE)
XL = Checkpoint(file="xl", size=SIDE, steps=3, refiner="refiner")
PROMPT = "a (red:1.2) fox in [deep] snow"
GIVEN = png_of(gradient(64, 64))
TEXT = Generate(model="a", sampler="Euler", prompt=PROMPT, steps=2)
IMAGE = ImageToImage(prompt=PROMPT, image=GIVEN, steps=4, strength=0.5)
XL_TEXT = GenerateXL(model="x", prompt=PROMPT, width=64, height=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    tiny_pipelines.make(made)
    return made


@pytest.fixture(scope="module")
def settings(folder: Path) -> DiffusersSettings:
    return DiffusersSettings(
        folder=str(folder),
        device="auto",
        threads=1,
        models={"a": SD},
        loras={"GrayClay_V1.5.5": "good.v1.5.safetensors", "of XL": "xl.safetensors"},
        models_xl={"x": XL},
        img2img=XL,
        gif=GifModel(checkpoint=SD, motion="motion", frames=4),
        video=VideoModel(file="svd", frames=3, steps=2, size=SIDE),
    )


@pytest.fixture(scope="module")
def drawing(settings: DiffusersSettings) -> Drawing:
    return Drawing(settings)


def write_zeros(path: Path, shapes: dict[str, list[int]]) -> None:
    """A file of tensors in half precision that takes no room on the disk."""
    header, end = {}, 0
    for name, shape in shapes.items():
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    begin = json.dumps(header).encode()
    begin += b" " * (-len(begin) % 8)
    with path.open("wb") as file:
        file.write(len(begin).to_bytes(8, "little") + begin)
        file.truncate(8 + len(begin) + end)


def pixels(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as picture:
        return np.asarray(picture.convert("RGB"))


def drawn(drawing: Drawing, request: Request, seed: int = 7) -> list[np.ndarray]:
    return [pixels(file) for file in drawing.files(request, Job(seed))]


def steps_told(drawing: Drawing, request: Request) -> list[tuple[int, int]]:
    told: list[tuple[int, int]] = []
    job = Job(7, progress=lambda done, total: told.append((done, total)))
    drawing.files(request, job)
    return told


@pytest.mark.parametrize("sampler", names.SAMPLERS)
def test_every_sampler_draws_and_tells_its_steps(drawing: Drawing, sampler: str):
    """DPM adaptive finds out only while it draws how often it looks."""
    told = steps_told(drawing, replace(TEXT, sampler=sampler, steps=3))
    dones, totals = zip(*told, strict=True)
    assert list(dones) == list(range(1, len(dones) + 1))
    assert told[-1][0] == told[-1][1]
    assert len(set(totals)) == 1 or sampler == "DPM adaptive"
    if sampler != "DPM adaptive":
        for steps in (1, 2):
            assert drawn(drawing, replace(TEXT, sampler=sampler, steps=steps))


def test_pictures_are_as_many_as_asked_for_and_repeat_with_their_seed(drawing: Drawing):
    three = drawn(drawing, replace(TEXT, image_count=3, sampler="Euler a"))
    assert [each.shape for each in three] == [(64, 64, 3)] * 3
    assert (three[0] != three[1]).any()
    again = drawn(drawing, replace(TEXT, image_count=3, sampler="Euler a"))
    assert all((a == b).all() for a, b in zip(three, again, strict=True))
    # The first one does not depend on how many there are, beyond the rounding of a batch.
    alone = drawn(drawing, replace(TEXT, sampler="Euler a"))[0]
    assert np.abs(alone.astype(int) - three[0]).max() <= 1


@pytest.mark.parametrize(
    ("sampler", "scheduler"), [*zip(names.XL_SAMPLERS, cycle(names.XL_SCHEDULERS), strict=False)]
)
def test_xl_draws_with_every_sampler_and_with_the_refiner(
    drawing: Drawing, sampler: str, scheduler: str
):
    request = replace(XL_TEXT, sampler=sampler, scheduler=scheduler)
    for refiner in (False, True):
        told = steps_told(drawing, replace(request, refiner=refiner))
        assert told[-1][0] == told[-1][1]


def test_xl_draws_sides_that_are_no_multiples_of_eight(drawing: Drawing):
    assert drawn(drawing, replace(XL_TEXT, width=100, height=70))[0].shape == (70, 100, 3)


def test_the_refiner_goes_on_where_the_base_stopped(drawing: Drawing):
    plain = drawn(drawing, XL_TEXT)[0]
    assert (plain != drawn(drawing, replace(XL_TEXT, refiner=True))[0]).any()
    assert (plain == drawn(drawing, XL_TEXT)[0]).all()


@pytest.mark.parametrize("scheduler", IMAGE_SCHEDULERS)
@pytest.mark.parametrize("refiner", names.REFINERS)
def test_pictures_are_redrawn_as_little_or_much_as_asked(
    drawing: Drawing, scheduler: str, refiner: str
):
    """Also where there would be less than one step."""
    for steps, strength in ((1, 0.01), (1, 1.0), (4, 0.1), (4, 0.5), (4, 1.0)):
        request = replace(
            IMAGE, scheduler=scheduler, refiner=refiner, steps=steps, strength=strength
        )
        told = steps_told(drawing, request)
        assert told[-1][0] == told[-1][1], (steps, strength)
        assert [done for done, _ in told] == list(range(1, len(told) + 1)), (steps, strength)


def test_a_picture_that_shall_stay_stays(drawing: Drawing):
    same = drawn(drawing, replace(IMAGE, strength=0.0))[0]
    assert (same == gradient(64, 64)).all()


def test_img2img_takes_models_of_1_x_too(settings: DiffusersSettings):
    drawing = Drawing(replace(settings, img2img=SD))
    assert drawn(drawing, IMAGE)[0].shape == (64, 64, 3)


def test_a_picture_that_is_none_is_rejected(drawing: Drawing):
    with pytest.raises(InputRejected, match="image"):
        drawing.files(replace(IMAGE, image=b"no picture"), Job(1))


@pytest.mark.parametrize("sampler", ["Euler a", "PLMS"])
def test_gifs_move(drawing: Drawing, sampler: str):
    request = GenerateGif(sampler=sampler, prompt=PROMPT, steps=2)
    (file,) = drawing.files(request, Job(3))
    with Image.open(io.BytesIO(file)) as moving:
        assert (moving.format, moving.n_frames, moving.size) == ("GIF", 4, SIDE)
        assert moving.info["duration"] == 120  # 125 in hundredths of a second
    assert (file,) == drawing.files(request, Job(3))


def test_a_gif_has_no_more_frames_than_its_motion_module_moves(settings: DiffusersSettings):
    drawing = Drawing(replace(settings, gif=GifModel(checkpoint=SD, motion="motion", frames=30)))
    (file,) = drawing.files(GenerateGif(sampler="Euler", prompt=PROMPT, steps=1), Job(3))
    with Image.open(io.BytesIO(file)) as moving:
        assert moving.n_frames == 24


def test_a_still_moves_without_a_motion_module(settings: DiffusersSettings):
    drawing = Drawing(replace(settings, gif=GifModel(checkpoint=SD)))
    (file,) = drawing.files(GenerateGif(sampler="Euler", prompt=PROMPT, steps=2), Job(3))
    with Image.open(io.BytesIO(file)) as moving:
        assert (moving.format, moving.n_frames) == ("GIF", 3)


def test_pictures_become_videos(drawing: Drawing):
    told: list[tuple[int, int]] = []
    job = Job(3, progress=lambda done, total: told.append((done, total)))
    (file,) = drawing.files(ImageToVideo(image=GIVEN), job)
    with av.open(io.BytesIO(file)) as video:
        assert len(list(video.decode(video=0))) == 3
    assert told == [(1, 2), (2, 2)]


def test_loras_count_by_their_weights_and_leave_nothing_behind(drawing: Drawing):
    """Names with dots, which diffusers does not take, and every weight."""
    plain = drawn(drawing, TEXT)[0]
    seen = {}
    for weight in (0.0, 1.0, 2.0, -1.0):
        request = replace(TEXT, loras={"GrayClay_V1.5.5": weight})
        seen[weight] = drawn(drawing, request)[0]
        assert (drawn(drawing, TEXT)[0] == plain).all()
    assert (seen[0.0] == plain).all()
    assert len({each.tobytes() for each in seen.values()}) == 4


def test_a_lora_for_other_models_is_refused(drawing: Drawing):
    plain = drawn(drawing, TEXT)[0]
    wrong = replace(TEXT, loras={"GrayClay_V1.5.5": 1.0, "of XL": 1.0})
    with pytest.raises(InputRejected, match="loras has of XL"):
        drawing.files(wrong, Job(1))
    assert (drawn(drawing, TEXT)[0] == plain).all()


def test_weights_and_the_ends_of_long_prompts_count(drawing: Drawing):
    """A prompt of more than 77 tokens is not cut."""
    long = "word " * 60  # five tokens each
    prompts = ["a fox", "a (fox:1.5)", "a [fox]", long + "fox", long + "owl"]
    seen = {drawn(drawing, replace(TEXT, prompt=each))[0].tobytes() for each in prompts}
    assert len(seen) == len(prompts)
    xl = {drawn(drawing, replace(XL_TEXT, prompt=each))[0].tobytes() for each in prompts}
    assert len(xl) == len(prompts)
    negative = drawn(drawing, replace(TEXT, negative_prompt=long))[0]
    assert (negative != drawn(drawing, TEXT)[0]).any()


def test_a_guidance_of_zero_leaves_the_prompt_out(drawing: Drawing):
    one, other = (drawn(drawing, replace(TEXT, cfg_scale=0, prompt=p))[0] for p in ("fox", "owl"))
    assert (one == other).all()


def test_cancelled_work_ends_within_a_step(drawing: Drawing):
    steps: list[int] = []
    job = Job(1, progress=lambda done, _: steps.append(done))
    with pytest.raises(Cancelled):
        drawing.files(replace(TEXT, steps=50), job, lambda: len(steps) >= 3)
    assert len(steps) == 3
    assert drawn(drawing, TEXT)


def test_previews_come_once_a_picture_is_known(settings: DiffusersSettings):
    drawing, seen = Drawing(settings), []
    job = Job(1, preview=seen.append)
    drawing.files(TEXT, job)
    assert not seen
    drawing.files(replace(TEXT, steps=5), job)
    assert len(seen) == 5
    final = pixels(drawing.files(replace(TEXT, steps=5), Job(1))[0])
    with Image.open(io.BytesIO(seen[-1])) as shown:
        assert shown.format == "JPEG"
        small = np.asarray(shown.convert("RGB").resize(SIDE), int)
    assert np.abs(small - final).mean() < 40


EVERYTHING = {
    "text": replace(TEXT, sampler="Euler a", loras={"GrayClay_V1.5.5": 0.5}),
    "PLMS": replace(TEXT, sampler="PLMS", image_count=2),
    "XL": replace(XL_TEXT, refiner=True),
    "image": replace(IMAGE, scheduler="K_EULER_ANCESTRAL", refiner=names.BASE_IMAGE),
    "GIF": GenerateGif(sampler="DPM++ SDE", prompt=PROMPT, steps=2),
    "video": ImageToVideo(image=GIVEN),
}


def frames_of(file: bytes) -> np.ndarray:
    """Each (height, width, 3)."""
    with av.open(io.BytesIO(file)) as container:
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


@pytest.mark.parametrize("request_made", EVERYTHING.values(), ids=EVERYTHING)
def test_half_precision_draws_the_same(
    settings: DiffusersSettings, drawing: Drawing, request_made: Request
):
    half = Drawing(settings)
    half.models.dtype = torch.float16
    made, full = (each.files(request_made, Job(7)) for each in (half, drawing))
    for one, other in zip(made, full, strict=True):
        difference = np.abs(frames_of(one).astype(int) - frames_of(other))
        assert difference.mean() < 8  # GIFs have few colours


@pytest.mark.parametrize("request_made", EVERYTHING.values(), ids=EVERYTHING)
def test_what_memory_is_spared_for_is_drawn_the_same(
    settings: DiffusersSettings, drawing: Drawing, request_made: Request
):
    spared = Drawing(settings)
    with spared.models.sparing():
        made = spared.files(request_made, Job(7))
    assert made == spared.files(request_made, Job(7))
    for one, other in zip(made, drawing.files(request_made, Job(7)), strict=True):
        assert np.abs(frames_of(one).astype(int) - frames_of(other)).mean() < 8


def devices(models: Models) -> set[str]:
    """Where their networks are."""
    kept = [getattr(models, kind)(*files) for kind, *files in models.kept]
    parts = [part for pipe in kept for part in pipe.components.values()]
    modules = [part for part in parts if isinstance(part, torch.nn.Module)]
    return {each.device.type for module in modules for each in module.parameters()}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("request_made", EVERYTHING.values(), ids=EVERYTHING)
def test_what_memory_is_spared_for_leaves_nothing_on_a_gpu(
    settings: DiffusersSettings, request_made: Request
):
    spared, steps = Drawing(settings), 0

    def progress(done: int, _total: int) -> None:
        nonlocal steps
        steps = done

    with spared.models.sparing():
        spared.files(request_made, Job(7))
        assert devices(spared.models) == {"cpu"}
        with pytest.raises(Cancelled):
            spared.files(request_made, Job(7, progress=progress), lambda: steps > 0)
        assert devices(spared.models) == {"cpu"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
@pytest.mark.parametrize("request_made", EVERYTHING.values(), ids=EVERYTHING)
def test_a_gpu_draws_what_a_cpu_draws(
    settings: DiffusersSettings, drawing: Drawing, request_made: Request
):
    cpu = Drawing(replace(settings, device="cpu"))
    made, expected = (each.files(request_made, Job(7)) for each in (drawing, cpu))
    for one, other in zip(made, expected, strict=True):
        assert np.abs(frames_of(one).astype(int) - frames_of(other)).mean() < 8


def test_noise_does_not_depend_on_the_precision():
    def drawn_in(dtype: torch.dtype) -> torch.Tensor:
        seed = torch.Generator().manual_seed(7)
        return torch.randn((4, 64), generator=seed, dtype=dtype)

    with FullNoise():
        half, full = drawn_in(torch.float16), drawn_in(torch.float32)
    assert (half.float() - full).abs().max() < 0.01


@pytest.mark.parametrize("value", [float("nan"), 0.0])
def test_what_is_no_picture_is_never_sent(folder: Path, tmp_path: Path, value: float):
    shutil.copytree(folder / "sd", tmp_path / "broken")
    (file,) = (tmp_path / "broken" / "vae").glob("*.safetensors")
    weights = load_file(file)
    for name in ("decoder.conv_out.weight", "decoder.conv_out.bias"):
        weights[name] = torch.full_like(weights[name], value)
    save_file(weights, file, metadata={"format": "pt"})
    broken = {"a": replace(SD, file="broken")}
    drawing = Drawing(DiffusersSettings(folder=str(tmp_path), device="auto", models=broken))
    with pytest.raises(GenerationFailed, match="no picture"):
        drawing.files(TEXT, Job(1))


def test_models_make_room_for_each_other(settings: DiffusersSettings):
    drawing = Drawing(replace(settings, memory_mib=5))  # each takes 6.5, in half precision 3.3
    for request in (TEXT, XL_TEXT, TEXT):
        drawing.files(request, Job(1))
        assert len(drawing.models.kept) == 1
    drawing = Drawing(settings)
    for request in (TEXT, XL_TEXT, TEXT):
        drawing.files(request, Job(1))
    assert [key[1] for key in drawing.models.kept] == ["xl", "sd"]


def test_too_little_memory_is_told_after_a_second_try(settings: DiffusersSettings):
    """Latents of 2**38 numbers, which no computer gives."""
    huge = replace(SD, size=(2**20, 2**20))
    drawing = Drawing(replace(settings, models={"a": SD, "huge": huge}))
    drawing.files(TEXT, Job(1))
    with pytest.raises(OutOfMemory):
        drawing.files(replace(TEXT, model="huge"), Job(1))
    assert not drawing.models.kept
    assert drawing.files(TEXT, Job(1))


def test_a_flag_that_a_scheduler_lacks_is_no_silent_loss(drawing: Drawing):
    kind, _ = IMAGE_SCHEDULERS["K_EULER_ANCESTRAL"]
    config = drawing.models.checkpoint("sd").scheduler.config
    with pytest.raises(TypeError, match="use_karras_sigmas"):
        stock(kind, config, use_karras_sigmas=True)


def test_motion_modules_come_as_single_files_too(tmp_path: Path):
    """As the second version has them: 32 positions, and a block in the middle."""
    import diffusers

    parts: Any = diffusers
    with torch.device("meta"):
        whole = parts.MotionAdapter(motion_max_seq_length=32, use_motion_mid_block=True)
    shapes = {}
    for name, value in whole.state_dict().items():
        name = re.sub(r"(motion_modules\.\d)\.", r"\1.temporal_transformer.", name)
        for own, theirs in (("attn", "attention_blocks"), ("norm", "norms")):
            name = re.sub(
                rf"(transformer_blocks\.0)\.{own}([12])",
                lambda found, theirs=theirs: f"{found[1]}.{theirs}.{int(found[2]) - 1}",
                name,
            )
        shapes[name.replace("norm3", "ff_norm")] = list(value.shape)
    pe = "transformer_blocks.0.attention_blocks.0.pos_encoder.pe"
    shapes[f"mid_block.motion_modules.0.temporal_transformer.{pe}"] = [1, 32, 1280]
    write_zeros(tmp_path / "mm.safetensors", shapes)
    made = single_files.motion_adapter(tmp_path / "mm.safetensors", torch.float16)
    assert made.config.motion_max_seq_length == 32
    assert made.config.use_motion_mid_block


@pytest.mark.parametrize(
    ("kind", "counts"),
    [
        ("sd", {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}),
        ("xl", {"unet": 2_567_463_684, "text_encoder_2": 694_659_840}),
        ("refiner", {"unet": 2_259_526_660}),
    ],
)
def test_configurations_for_single_files_are_those_of_the_published_models(
    kind: str, counts: dict[str, int]
):
    """By the number of their parameters; nothing is made of them."""
    import diffusers
    import transformers

    for part, count in counts.items():
        library, of, _ = single_files.MODELS[kind][1][part]
        folder = single_files.written(kind) / part
        known: Any = getattr({"diffusers": diffusers, "transformers": transformers}[library], of)
        with torch.device("meta"):
            if library == "diffusers":
                made = known.from_config(known.load_config(folder))
            else:
                made = known(known.config_class.from_pretrained(folder))
        assert sum(each.numel() for each in made.parameters()) == count
    tokenizer = "tokenizer_2" if kind == "refiner" else "tokenizer"
    words = transformers.CLIPTokenizer.from_pretrained(single_files.written(kind) / tokenizer)
    assert words("a red fox in snow").input_ids == [49406, 320, 736, 3240, 530, 2583, 49407]
    assert words.model_max_length == 77


def test_weights_of_stable_video_diffusion_are_found_by_their_authors_names():
    """The digest is that of the names in ComfyUI 0.3.64's networks, which are the authors'."""
    import diffusers
    import transformers

    parts: Any = diffusers
    with torch.device("meta"):
        unet = parts.UNetSpatioTemporalConditionModel(**video_files.UNET)
        vae = parts.AutoencoderKLTemporalDecoder(**video_files.VAE)
        config = transformers.CLIPVisionConfig(**video_files.VISION)
        vision = transformers.CLIPVisionModelWithProjection(config)
    found = [video_files.unet_name(name) for name in unet.state_dict()]
    found += [video_files.vae_name(n) for n in vae.state_dict() if not n.startswith("quant_conv")]
    assert len(set(found)) == len(found) == 1800
    assert hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest() == (
        "4cd98be1725c6efc302a920cc3a84b27ecfa3ccd2a6b7094638746030835e76a"
    )
    assert sum(each.numel() for each in unet.parameters()) == 1_524_623_082
    seen = {video_files.vision_name(name) for name in vision.state_dict()}
    assert len(seen) == 392  # of 520: queries, keys and values are one
    ends = ("proj", "conv1.weight", "ln_pre.bias", "positional_embedding", "class_embedding")
    layer = ("ln_1.weight", "attn.in_proj_bias", "attn.out_proj.weight", "mlp.c_fc.weight")
    start = "conditioner.embedders.0.open_clip.model.visual."
    assert {start + end for end in ends} <= seen
    assert {f"{start}transformer.resblocks.31.{each}" for each in layer} <= seen


def test_a_file_that_is_no_checkpoint_is_told(settings: DiffusersSettings):
    models = {"a": replace(SD, file="xl.safetensors"), "b": replace(SD, file="gone.safetensors")}
    video = VideoModel(file="xl.safetensors")
    drawing = Drawing(replace(settings, models=models, video=video))
    with pytest.raises(GenerationFailed, match="cannot use the file"):
        drawing.files(ImageToVideo(image=GIVEN), Job(1))
    mixed = Drawing(
        replace(
            settings,
            models={"a": replace(SD, file="xl"), "b": replace(SD, file="svd")},
            models_xl={"x": replace(XL, file="sd")},
            video=VideoModel(file="sd"),
        )
    )
    for request in (TEXT, replace(TEXT, model="b"), XL_TEXT, ImageToVideo(image=GIVEN)):
        with pytest.raises(GenerationFailed, match="cannot use the file"):
            mixed.files(request, Job(1))
    for name, kind in (("a", GenerationFailed), ("b", InputRejected)):
        with pytest.raises(kind) as failed:
            drawing.files(replace(TEXT, model=name), Job(1))
        assert settings.folder not in str(failed.value)


@pytest.fixture
def engine(settings: DiffusersSettings) -> DiffusersEngine:
    return DiffusersEngine(settings)


def test_a_worker_outlives_what_ends_early_and_is_followed_by_another(engine: DiffusersEngine):
    async def begun(job_made: Request) -> asyncio.Task[Any]:
        step = asyncio.Event()
        job = Job(1, progress=lambda *_: step.set())
        task = asyncio.ensure_future(engine.generate(job_made, job))
        await asyncio.wait_for(step.wait(), HANG)
        return task

    async def lived() -> None:
        long = replace(TEXT, steps=50)
        try:
            loaded: list[Any] = []
            first = await engine.generate(TEXT, Job(1, loaded=loaded.append))
            assert loaded == [[engine.settings.file_of(TEXT)]]
            process = engine.process
            assert process
            cancelled = await begun(long)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            with pytest.raises(InputRejected) as refused:
                await engine.generate(replace(TEXT, loras={"of XL": 1.0}), Job(1))
            assert refused.value.field == "loras"
            assert (await engine.generate(TEXT, Job(1))) == first
            assert engine.process == process
            lost = await begun(long)
            os.kill(process, signal.SIGKILL)
            with pytest.raises(EngineUnavailable):
                await lost
            assert (await engine.generate(TEXT, Job(1))) == first
            assert engine.process != process
        finally:
            await engine.close()
        with pytest.raises(ProcessLookupError):
            os.kill(engine.process or 0, 0)

    asyncio.run(lived())


def test_what_a_server_lacks_is_told(settings: DiffusersSettings, folder: Path):
    assert not asyncio.run(DiffusersEngine(settings).problems())
    lacking = replace(settings, models={"a": replace(SD, file="gone")}, video=None)
    (told,) = asyncio.run(DiffusersEngine(lacking).problems())
    assert told == f"{folder / 'gone'} is missing, which the model a needs."
    for change, expected in (
        ({"folder": str(folder / "nowhere")}, "There is no folder"),
        ({"device": "cuda:99"}, "torch can use no cuda:99 here"),
    ):
        (told,) = asyncio.run(DiffusersEngine(replace(settings, **change)).problems())
        assert told.startswith(expected)
    elsewhere = DiffusersEngine(replace(settings, device="cuda:99"))
    with pytest.raises(GenerationFailed, match="cannot draw"):
        asyncio.run(made_by(elsewhere))
    with pytest.raises(InputRejected, match="lacks a file"):
        asyncio.run(made_by(DiffusersEngine(lacking)))


async def made_by(engine: DiffusersEngine) -> Output:
    try:
        return await engine.generate(TEXT, Job(1))
    finally:
        await engine.close()


def test_a_client_gets_every_kind_of_result_from_a_server(folder: Path, tmp_path: Path):
    text = f"""
    [[engine]]
    name = "pictures"
    kind = "diffusers"
    folder = "{folder}"
    threads = 1
    [models]
    "anything_V5" = {{ file = "sd", size = 64 }}
    [loras]
    "3DMM_V12" = "good.v1.5.safetensors"
    [models-xl]
    "sdxl-turbo" = {{ file = "xl", steps = 3, size = 64, refiner = "refiner" }}
    [img2img]
    model = "sdxl-turbo"
    [gif]
    model = "anything_V5"
    motion = "motion"
    frames = 4
    [video]
    file = "svd"
    frames = 3
    steps = 2
    size = 64
    """
    requests = [
        replace(TEXT, model="anything_V5", image_count=2, loras={"3DMM_V12": 0.5}),
        replace(XL_TEXT, model="sdxl-turbo", refiner=True),
        IMAGE,
        GenerateGif(sampler="Euler a", prompt=PROMPT, steps=2),
        ImageToVideo(image=GIVEN),
    ]
    with served(tmp_path, text, premium=True) as own:
        profile = Profile("own", own.url, Secret(own.key))
        with Client(profile, home=tmp_path / "home") as client:
            results = [client.send(request, seed=3) for request in requests]
    assert [len(each.files) for each in results] == [2, 1, 1, 1, 1]
