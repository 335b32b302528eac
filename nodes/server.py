"""The node that names a server."""

from __future__ import annotations

from ..visioncraft_core.errors import ConfigError, VisionCraftError
from ..visioncraft_core.profiles.profile import Profile
from ..visioncraft_core.profiles.profiles import AUTO, Profiles
from . import comfy, widgets


class Server:
    """A workflow holds at most the profile's name: its address and key stay on this computer."""

    ID = "VisionCraftServer"
    TITLE = "VisionCraft Server"
    CATEGORY = "VisionCraft/Tools"
    DESCRIPTION = "Names a configured server. Wire it into any VisionCraft node to run it there."
    SEARCH_ALIASES = ["profile", "endpoint", "account", "visioncraft"]
    FUNCTION = "choose"
    RETURN_TYPES = (widgets.SERVER,)
    RETURN_NAMES = ("server",)
    OUTPUT_TOOLTIPS = ("Wire it into the server input of a VisionCraft node.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        names = Profiles(comfy.host().home()).names()
        help_text = (
            "One of your server profiles. auto is your configured server, or the sandbox where no "
            "key is set; sandbox needs no key and no network."
        )
        return {"required": {"profile": widgets.choice(names, AUTO, help_text)}}

    @classmethod
    def VALIDATE_INPUTS(cls, profile: str | None = None) -> bool | str:
        if profile is None:
            return True
        try:
            chosen(profile).require_key()
        except VisionCraftError as error:
            return str(error)
        return True

    def choose(self, profile: str) -> tuple[str]:
        return (profile,)


def chosen(name: str) -> Profile:
    """The profile that a workflow names; "" and "auto" are up to the host. Raises ConfigError."""
    current = comfy.host()
    if "://" in name:
        # A shared workflow must not be able to say where a key or a picture goes.
        raise ConfigError(
            "A workflow cannot name an address.",
            "Configure a server profile and choose it in a VisionCraft Server node.",
        )
    wanted = current.default_server() if name in ("", AUTO) else name
    return Profiles(current.home()).find(wanted)
