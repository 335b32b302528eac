"""What a prompt asks to see: a light, a place, things and colours; and the outlines of the things.

A shape is a tone, a form and points "x,y" in percent of the thing's box, y upwards. Tones: "b" the
thing's own colour, "d" darker, "l" lighter, "k" black, "w" white, "s" skin, "v" leaf, "g" lamp
light; a capital is drawn twice, the second time mirrored. Forms: "-" a polygon, "~" one with
rounded corners, "o" an ellipse (centre, radii). A thing: words; colour, size, lift, home; shapes.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

RGB = tuple[int, ...]
Floats = NDArray[np.float64]

# The words of a light: its sky from the top to the horizon, its land from far to near, its sun.
LIGHTS = {
    "day noon sunny summer spring": "#3f86cf #8cc3ea #f4ecd2 #8fb3c0 #2c5a4a #fff7da",
    "dawn sunrise morning daybreak": "#56659f #c68fae #ffd7a6 #a08bae #39405f #fff0cc",
    "sunset dusk evening golden sundown": "#352c68 #c24f69 #ffb45e #8c4b72 #24172f #ffe6a0",
    "night midnight moon moonlight star dark": "#081029 #1a2c5c #4a5f9a #2b3d6d #0b1226 #f2f4ff",
    "storm stormy rain rainy lightning": "#333d49 #5f6c77 #aab3b2 #5b6a73 #1b252a #e6ece6",
    "fog foggy mist misty haze": "#aebcc2 #cbd4d5 #eae7de #b2bfc3 #4c5d62 #fffdf2",
    "snow snowy winter ice frozen": "#7c9fc6 #b4cfe3 #f5ece8 #b5cadb #50688a #ffffff",
    "neon cyberpunk synthwave": "#10092b #3d1468 #ea3f95 #3c1b72 #0a051a #58f3ea",
    "autumn fall october": "#6890b4 #d6c7a8 #ffe2a2 #bd8150 #4e271a #fff2c6",
    "space galaxy planet nebula cosmic": "#04050f #14123a #4a2d72 #3a2f62 #0b0818 #ffe9c8",
    "underwater reef coral": "#0a4a6e #128aa0 #7fe0d2 #1b7f93 #06283d #eafff6",
}
# The words of a place: its layers from far to near, each a profile, its foot and its height.
PLACES = {
    "land landscape meadow field hill": "peaks .58 .16, hills .66 .08, hills .80 .13, grass 1 .19",
    "mountain alps peak cliff valley": "peaks .57 .32, peaks .66 .22, hills .80 .14, pines 1 .19",
    "forest wood jungle park": "pines .58 .20, pines .68 .28, pines .84 .36, grass 1 .19",
    "water sea lake river ocean beach": "peaks .62 .16, hills .63 .05, water .64 0, grass 1 .13",
    "city street town skyline": "city .66 .30, city .78 .40, water .79 0, hills 1 .09",
    "space galaxy planet nebula cosmic": "peaks 1 .13",
    "underwater reef coral": "hills .86 .12, grass 1 .22",
}
# Words that ask for nothing that could be seen by itself.
SMALL_WORDS = (
    "a an the and or of in on at by with from to for over under above below near behind between "
    "into through across against this that his her it their my your some is are be as one no "
    "picture image photo photograph drawing illustration painting portrait small large"
)
NUMBERS = {"two": 2, "pair": 2, "three": 3, "several": 4, "four": 4, "five": 5, "many": 5}


class Subject(NamedTuple):
    words: list[str]
    colour: RGB
    size: float  # a share of the picture's side, as the lift above the ground is
    lift: float
    home: str  # the place where it is shown when the prompt names none
    shapes: list[tuple[str, Floats]]  # tones and outlines, in sizes from the foot's middle


def read(prompt: str, negative_prompt: str = ""):
    """What `prompt` names and `negative_prompt` does not.

    A light and a place, as keys of their tables; "snow", "storm" or ""; things, each with its
    colour, which stands at most two words before; colours that belong to no thing.
    """
    refused = _singular_words(negative_prompt)
    words = [word for word in _singular_words(prompt) if word not in refused]
    things: list[tuple[Subject, RGB]] = []
    tints, number = dict[int, RGB](), 0
    for at, word in enumerate(words):
        number = NUMBERS.get(word, number)
        if subject := next((s for s in SUBJECTS if word in s.words), None):
            colour = tints.pop(at - 1, None) or tints.pop(at - 2, subject.colour)
            many = 3 if re.search(f"{word}e?s", prompt, re.IGNORECASE) else 1
            things += [(subject, colour)] * (number or many)
            number = 0
        elif word in ImageColor.colormap and word != "snow":
            # The colours of the web are too pure for a landscape.
            tints[at] = tuple((4 * level + 115) // 5 for level in ImageColor.getrgb(word))
    known = ["day", things[0][0].home if things else "land", *words]
    lights = [names for word in known for names in LIGHTS if word in names.split()]
    places = [names for word in known for names in PLACES if word in names.split()]
    light = next((names for names in lights if "neon" in names), lights[-1])
    weather = next((w for w in ("snow", "storm") if any(w in names for names in lights)), "")
    return light, places[-1], weather, things[:6], list(tints.values())


def unknown_words(prompt: str) -> list[str]:
    """The words of the prompt's first part, which names the idea, that change nothing here."""
    known = {word for names in (*LIGHTS, *PLACES) for word in names.split()}
    known |= {word for subject in SUBJECTS for word in subject.words}
    known |= {*NUMBERS, *SMALL_WORDS.split(), *ImageColor.colormap}
    idea = re.split(r"[,.;\n]", prompt[:2000], maxsplit=1)[0]
    return [word for word in dict.fromkeys(_singular_words(idea)) if word not in known]


def _singular_words(text: str) -> list[str]:
    words = re.findall(r"[^\W\d_]+", text[:2000].lower())
    return [re.sub(r"(?<=[xh])es$|(?<=\w[^su])s$", "", word) for word in words]


def oval(x: Any, y: Any, across: Any, down: Any, corners: int = 48) -> Floats:
    """The corners of an ellipse, or of as many as the numbers that are given."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False) + np.pi / 4
    x, y, across, down = (np.asarray(number)[..., None] for number in (x, y, across, down))
    return np.stack([x + across * np.cos(turn), y + down * np.sin(turn)], axis=-1)


def _subject(text: str) -> Subject:
    words, facts, outlines = re.sub(r"\s+", " ", text).split("; ")
    colour, size, lift, home = facts.split()
    shapes: list[tuple[str, Floats]] = []
    for outline in outlines.split("|"):
        tone, points = outline[0], np.array(re.findall(r"-?[\d.]+", outline[2:]), float)
        points = oval(*points) if outline[1] == "o" else points.reshape(-1, 2)
        for _ in range(3 if outline[1] == "~" else 0):  # cuts every corner, three times
            after = np.roll(points, -1, axis=0)
            points = np.stack([points * 3 + after, points + after * 3], axis=1).reshape(-1, 2) / 4
        points = (points - (50, 0)) / (100, -100)
        shapes += [(tone.lower(), points), (tone.lower(), points * (-1, 1))][: 1 + tone.isupper()]
    return Subject(words.split(), ImageColor.getrgb(colour), float(size), float(lift), home, shapes)


_TABLE = """\
fox wolf dog; #dc6a2a .34 0 land; d- 62,30 64,14 61,0 57,0 59,14 54,30|d- 46,29 49,14 47,0 43,0
  44,14 38,28|b~ 0,40 6,51 18,50 27,44 36,48 50,47 62,50 69,60 70,76 76,67 82,75 83,63 91,55 98,48
  94,45 85,44 79,36 75,30 75,14 77,0 72,0 70,14 66,27 56,29 44,28 38,20 41,8 39,0 35,0 30,20 28,32
  16,36 5,33|w~ 0,40 5,50 12,51 10,36 4,34|w~ 84,50 97,48 93,45 77,34 76,44 |ko 85,58 2,2
cat kitten tiger lion; #4a4656 .3 0 land; b~ 22,0 10,4 0,14 2,28 8,30 7,18 14,10 24,10|b~ 18,0 14,18
  20,38 34,52 44,62 46,76 45,97 54,88 66,88 74,97 75,76 72,66 66,58 70,40 70,18 78,2 74,0|l~ 58,56
  54,36 60,16 66,38|go 54,76 3,3.4|go 67,76 3,3.4|ko 54,76 1,3|ko 67,76 1,3
owl; #8a6642 .3 0 forest; b~ 32,2 20,26 20,100 38,91 62,91 80,100 80,26 68,2|l~ 36,6 32,34 50,56
  68,34 64,6 50,2|Go 38,72 10,11|Ko 38,72 5,6|k- 46,64 54,64 50,54|D~ 20,60 14,30 30,4 30,34
fish whale shark; #f2933c .3 .3 underwater; d- 18,50 -6,76 2,50 -6,24|d~ 36,66 50,92 70,66|d~ 44,34
  44,14 62,36|b~ 8,50 26,66 52,72 78,64 97,50 78,36 52,28 26,34|l~ 30,36 52,30 78,37 94,48 60,44|wo
  80,55 4.5,5|ko 81,55 2,3|d~ 66,60 62,50 66,40 69,50
butterfly moth; #a04fc4 .26 .4 land; B~ 50,50 58,78 80,99 99,90 94,60 72,48|D~ 50,50 76,50 90,34
  82,8 60,22|Lo 78,76 9,10|Go 74,32 6,7|k~ 48,70 50,80 52,70 53,38 50,18 47,38
man woman person girl boy lady; #b8433f .34 0 land; K- 43,0 44,28 49,28 49,0|b~ 32,16 37,44 38,66
  45,72 55,72 62,66 63,44 68,16|so 50,82 8,10|k~ 40,72 41,94 50,98 59,94 60,72 56,80 57,90 44,90
  44,80
house cabin cottage; #c9a37c .28 0 land; d- 68,60 68,92 79,92 79,56|b- 14,0 14,46 50,84 86,46 86,0
  |d- 2,42 50,92 98,42 94,38 50,80 6,38|G- 24,16 24,36 40,36 40,16|d~ 43,0 43,28 50,34 57,28 57,0
castle palace; #a59eb0 .42 0 mountain; D- 20,0 20,66 32,66 32,0|K- 17,66 26,86 35,66|B- 2,0 2,46
  18,46 18,0|K- -1,46 10,66 21,46|l- 38,0 38,78 62,78 62,0|k- 34,78 50,104 66,78|b- 14,0 14,34 86,34
  86,0|k~ 43,0 43,16 50,24 57,16 57,0|G~ 8,26 8,34 12,34 12,26
lighthouse; #d8483f .46 0 water; w- 37,4 43,76 57,76 63,4|b- 38,16 40,34 60,34 62,16|b- 41,50 42,68
  58,68 59,50|k- 38,76 38,79 62,79 62,76|g- 44,79 44,91 56,91 56,79|b- 40,91 50,101 60,91|k~ -10,-2
  2,6 16,5 30,13 64,12 76,6 90,7 112,-2
tree oak maple; #4f7f45 .4 0 land; k~ 42,0 47,28 40,46 50,40 60,48 53,28 58,0|d~ 8,52 12,74 28,88
  50,96 72,90 90,72 92,52 74,40 50,44 26,40|b~ 12,60 16,80 34,96 54,100 74,92 86,74 70,58 48,66
  30,56
boat ship sailboat; #8c3f34 .34 0 water; d- 49,10 49,102 51,102 51,10|w~ 53,17 53,98 66,66 88,20|l~
  47,20 46,84 34,50 14,22|b~ 2,16 14,-2 84,-2 100,18
flower rose tulip daisy; #e0567a .28 0 land; v~ 48,0 50,40 48,66 52,66 53,40 52,0|v~ 51,14 66,36
  84,38 70,18|v~ 50,8 34,28 18,28 30,12|bo 50,90 11,13|Bo 66,80 13,11|Bo 60,62 12,12|go 50,75 8,8"""
SUBJECTS = [_subject(text) for text in re.split(r"\n(?! )", _TABLE)]
