"""The words that the sandbox understands. Every table can be extended with one entry."""

from __future__ import annotations

from .colour import RGB

COLOURS: dict[str, RGB] = {
    "red": (214, 52, 48),
    "scarlet": (214, 52, 48),
    "crimson": (176, 28, 52),
    "orange": (240, 130, 40),
    "amber": (246, 176, 56),
    "golden": (240, 188, 64),
    "gold": (224, 172, 56),
    "yellow": (250, 212, 64),
    "lime": (168, 216, 64),
    "green": (62, 160, 84),
    "emerald": (28, 146, 104),
    "olive": (128, 134, 62),
    "mint": (152, 220, 186),
    "teal": (32, 140, 142),
    "turquoise": (56, 192, 188),
    "cyan": (64, 200, 224),
    "blue": (48, 106, 214),
    "navy": (36, 54, 112),
    "indigo": (74, 62, 160),
    "violet": (138, 84, 206),
    "purple": (134, 70, 178),
    "magenta": (214, 56, 158),
    "pink": (242, 130, 176),
    "coral": (250, 124, 102),
    "brown": (132, 88, 58),
    "beige": (226, 206, 170),
    "white": (246, 244, 240),
    "silver": (190, 198, 208),
    "grey": (136, 140, 150),
    "gray": (136, 140, 150),
    "black": (44, 42, 52),
}

NUMBERS = {
    **dict.fromkeys(("a", "an", "one", "single"), 1),
    **dict.fromkeys(("two", "pair", "couple", "twin"), 2),
    "three": 3,
    "four": 4,
    "five": 5,
    **dict.fromkeys(("six", "several"), 6),
    **dict.fromkeys(("seven", "many", "flock", "herd", "swarm", "crowd"), 7),
    "eight": 8,
    "nine": 9,
    "ten": 10,
    **dict.fromkeys(("eleven", "twelve", "dozen"), 12),
}

SIZES = {
    **dict.fromkeys(("tiny", "miniature"), 0.6),
    **dict.fromkeys(("small", "little", "baby"), 0.78),
    **dict.fromkeys(("big", "large", "tall"), 1.2),
    **dict.fromkeys(("giant", "huge", "enormous", "gigantic", "colossal"), 1.8),
}

# Words whose thing has a colour of its own, other than its kind's.
NATURAL: dict[str, str] = {
    **dict.fromkeys(("raven", "crow", "gorilla", "panther", "penguin"), "black"),
    **dict.fromkeys(("flamingo", "peony", "orchid", "jellyfish"), "pink"),
    **dict.fromkeys(("dolphin", "shark", "pigeon", "hamster"), "grey"),
    **dict.fromkeys(("canary", "chick", "sunflower", "lemon", "taxi", "submarine"), "yellow"),
    **dict.fromkeys(("dove", "gull", "seagull", "daisy", "lily", "narwhal"), "white"),
    **dict.fromkeys(("pear", "frog", "crocodile"), "green"),
    **dict.fromkeys(("orange", "maple"), "orange"),
    **dict.fromkeys(("parrot", "poppy", "tulip", "cherry", "tomato"), "red"),
    **dict.fromkeys(("eagle", "hawk", "sparrow", "hen", "chicken", "lizard"), "brown"),
    "plum": "purple",
    "peach": "coral",
    "polar": "white",
}

# Each place and light with the words that mean it.
SETTINGS: dict[str, str] = {
    "mountains": "mountain mountains alps peak peaks hill hills valley canyon volcano",
    "sea": "sea seas ocean waves coast harbour harbor bay island cliff sailing",
    "beach": "beach shore seaside sand lagoon tropical palm",
    "lake": "lake pond reflection",
    "river": "river stream waterfall creek",
    "forest": "forest woods jungle woodland grove rainforest",
    "desert": "desert dunes dune sahara oasis cactus",
    "city": "city street skyline town downtown skyscraper skyscrapers urban cyberpunk balcony",
    "meadow": "meadow field fields grass countryside farm landscape prairie savanna park",
    "snow": "snow snowy winter ice frozen arctic glacier christmas",
    "space": "space galaxy nebula cosmos cosmic universe orbit moonbase",
    "room": "room interior kitchen table desk indoors studio-room bedroom library window cafe",
    "underwater": "underwater reef coral-reef aquarium seabed",
    "garden": "garden flowers blossoms greenhouse bouquet",
    "studio": "abstract pattern geometric logo icon minimal poster",
}
# These give way to a second place that is named: "mountain lake", "a forest river".
BACKDROPS = ("mountains", "forest", "meadow")
LIGHTS: dict[str, str] = {
    "night": "night midnight moonlit moonlight nocturnal dark",
    "sunset": "sunset dusk evening twilight sundown",
    "dawn": "dawn sunrise morning daybreak",
    "gold": "hour autumn fall sunny",
    "storm": "storm stormy thunder lightning rain rainy tempest",
    "fog": "fog foggy mist misty haze hazy",
    "neon": "neon cyberpunk synthwave vaporwave",
    "day": "day noon daylight bright summer spring",
}

# Where one group of words ends: a colour or an adjective does not reach across.
BREAKS = """
    of and or with in on at by for to from under over above below behind beside near into is are
    against through while wearing holding riding , . ; : ( )
"""
ARTICLES = "a an the my your his her this that some"
NOT = frozenset(("no", "without", "not"))
PORTRAITS = "portrait portraits headshot selfie face closeup bust"

# Words that say how, not what: an emblem is drawn for none of them.
PLAIN = """
    the be very old young new beautiful lovely cute pretty great detailed quality best
    masterpiece photo photograph picture image painting drawing style illustration art high low
    resolution realistic render digital cinematic wide angle shot view light lighting soft hard
    colours colors palette mood composition detail fine balanced centred seen framed placed left
    right third against close viewer background foreground scene full deep clear pale first thin
    through long shadows gentle side rim glow horizon
"""

# What hangs in the sky or falls from it.
SKY_WORDS = {
    **dict.fromkeys(("moon", "crescent"), "moon"),
    **dict.fromkeys(("sun", "sunshine"), "sun"),
    **dict.fromkeys(("stars", "starry", "starlight"), "stars"),
    **dict.fromkeys(("cloud", "clouds", "cloudy"), "clouds"),
    "rainbow": "rainbow",
    **dict.fromkeys(("aurora", "borealis"), "aurora"),
    **dict.fromkeys(("rain", "rainy", "raining", "drizzle"), "rain"),
}
NIGHTLY = frozenset(("moon", "stars", "aurora"))
HUELESS = frozenset(("brown", "beige", "white", "silver", "grey", "gray", "black"))
# Words that ask for colour itself: with no other thing named, there is nothing but it to show.
FORMLESS = """
    colour color coloured colored colorful colourful something anything vibrant vivid bold pure
    plain solid intense rich warm cool neutral tone tones shade shades tint tints hue hues gradient
    texture wallpaper backdrop swirl swirls stroke strokes brushstroke brushstrokes brush splash
    splashes stripe stripes band bands shape shapes form forms line lines dot dots curve curves
    paint abstraction expressionist expressionism bauhaus modern contemporary canvas artwork
"""
SHADES = frozenset(("bright", "dark"))  # lights of a scene, but in "dark red" only a shade
