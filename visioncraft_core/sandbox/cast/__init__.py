"""Everything the sandbox can draw, by name."""

from . import beasts, buildings, creatures, figures, objects, people, plants, vehicles
from .kind import Kind

KINDS: dict[str, Kind] = {
    name: kind
    for group in (beasts, creatures, people, vehicles, buildings, plants, objects, figures)
    for name, kind in group.KINDS.items()
}
