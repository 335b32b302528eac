"""Everything the sandbox can draw, by name."""

from . import (
    beasts,
    birds,
    buildings,
    creatures,
    figures,
    hoofed,
    objects,
    people,
    plants,
    vehicles,
)
from .kind import Kind

KINDS: dict[str, Kind] = {
    name: kind
    for group in (
        beasts,
        hoofed,
        birds,
        creatures,
        people,
        vehicles,
        buildings,
        plants,
        objects,
        figures,
    )
    for name, kind in group.KINDS.items()
}
