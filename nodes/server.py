"""The node that names a server."""

from __future__ import annotations

from ..visioncraft_core.errors import ConfigError, KeyMissing, VisionCraftError
from ..visioncraft_core.profiles.profile import Profile
from ..visioncraft_core.profiles.profiles import AUTO, Profiles
from . import comfy, widgets


class Server:
    """A workflow holds at most the profile's name: its address and key stay on this computer."""

    ID = "VisionCraftServer"
    TITLE = "VisionCraft Server"
    CATEGORY = "VisionCraft/Tools"
    DESCRIPTION = "Selects a configured server. Connect it to any VisionCraft node to run it there."
    SEARCH_ALIASES = ["profile", "endpoint", "account", "visioncraft"]
    FUNCTION = "choose"
    RETURN_TYPES = (widgets.SERVER,)
    RETURN_NAMES = ("server",)
    OUTPUT_TOOLTIPS = ("Connect it to the server input of a VisionCraft node.",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, dict[str, widgets.Input]]:
        names = Profiles(comfy.host().home()).names()
        help_text = (
            "One of your server profiles. auto is your configured server, or the sandbox if no key "
            "is set; sandbox needs no key and no network."
        )
        return {"required": {"profile": widgets.choice(names, AUTO, help_text)}}

    @classmethod
    def VALIDATE_INPUTS(cls, profile: str | None = None) -> bool | str:
        return profile is None or usable(profile)

    def choose(self, profile: str) -> tuple[str]:
        return (profile,)


def usable(name: str) -> bool | str:
    """True, or what the profile that a workflow names lacks, in the form of VALIDATE_INPUTS."""
    try:
        with_key(selected_profile(name))
    except VisionCraftError as error:
        return str(error)
    return True


def with_key(profile: Profile) -> Profile:
    """`profile` if it has a key. Raises KeyMissing, which says where this host takes one."""
    try:
        profile.require_key()
    except KeyMissing as error:
        raise error.replace(advice=comfy.host().key_advice or None) from None
    return profile


def selected_profile(name: str) -> Profile:
    """The profile that a workflow names; "" and "auto" are up to the host. Raises ConfigError."""
    if "://" in name:
        # A shared workflow must not be able to say where a key or a picture goes.
        raise ConfigError(
            "A workflow cannot name an address.",
            "Configure a server profile and choose it in a VisionCraft Server node.",
        )
    host = comfy.host()
    return Profiles(host.home()).find(host.default_server() if name in ("", AUTO) else name)
