"""The ComfyUI nodes that a headless run knows, with ComfyUI's names, inputs and results.

What they do is stated by ComfyUI 0.3.64's nodes.py and comfy_extras (SaveText, ImageGrid and
ImageFromBatch: by those of 0.33); the tests in tests/comfyui hold each one to the real one.
"""

from .collages import ImageGrid, ImageStitch
from .pictures import (
    ImageBatch,
    ImageFromBatch,
    ImageInvert,
    ImageScale,
    InvertMask,
    LoadImage,
    LoadImageMask,
    MaskToImage,
    RepeatImageBatch,
)
from .saving import PreviewImage, SaveAnimatedPNG, SaveAnimatedWEBP, SaveImage
from .texts import (
    PreviewAny,
    PrimitiveFloat,
    PrimitiveInt,
    PrimitiveString,
    PrimitiveStringMultiline,
    SaveText,
    StringConcatenate,
)
from .videos import CreateVideo, GetVideoComponents, SaveVideo

NODE_CLASSES: dict[str, type] = {
    node.__name__: node
    for node in (
        LoadImage,
        LoadImageMask,
        SaveImage,
        PreviewImage,
        SaveAnimatedWEBP,
        SaveAnimatedPNG,
        SaveVideo,
        SaveText,
        PreviewAny,
        PrimitiveString,
        PrimitiveStringMultiline,
        PrimitiveInt,
        PrimitiveFloat,
        StringConcatenate,
        ImageScale,
        ImageBatch,
        ImageFromBatch,
        RepeatImageBatch,
        ImageStitch,
        ImageGrid,
        ImageInvert,
        InvertMask,
        MaskToImage,
        CreateVideo,
        GetVideoComponents,
    )
}
