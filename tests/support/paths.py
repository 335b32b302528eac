"""Where the pack and its examples stand."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "example_workflows"
