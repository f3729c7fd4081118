"""Builders of the small models that ship with the project, one file each."""

from typing import Any


def lessons(recipe: Any) -> list[Any]:
    """What a recipe teaches, in its order: places, the tower through a small language model, and the model itself."""
    return [*(recipe[name] for name in ("placing", "pretraining") if name in recipe), recipe]


def datasets_of(recipe: Any) -> dict[str, Any]:
    """The datasets of all lessons by name; of a name that comes twice the last."""
    return {name: options for lesson in lessons(recipe) for name, options in lesson["datasets"].items()}
