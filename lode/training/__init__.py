"""Builders of the small models that ship with the project, one file each."""

from typing import Any


def lessons(recipe: Any) -> list[Any]:
    """What a recipe teaches, in its order: places, the tower through a small language model, and the model itself."""
    return [*(recipe[name] for name in ("placing", "pretraining") if name in recipe), recipe]


def datasets_of(recipe: Any) -> list[tuple[str, Any]]:
    """The datasets of all lessons, by name; the same name may stand for another in another lesson."""
    return [entry for lesson in lessons(recipe) for entry in lesson["datasets"].items()]
