"""What the path of a table says of it: model, selection, intervention, dataset."""

from pathlib import Path

from lode.engine.errors import UserError

#: What the end of a table's path says, from the file name backwards to its folders.
_KEYS = {
    "statistics": ("model", "dataset", "shard"),
    "gradients": ("model", "dataset", "shard"),
    "importance": ("model",),
    "scoreboard": (),
    "neurons": ("model", "selection"),
    "retests": ("model", "selection"),
    "predictions": ("model", "selection", "intervention", "dataset", "shard"),
    "scores": ("model", "selection", "intervention", "dataset"),
    "effects": ("model", "selection", "intervention", "dataset"),
    "sample_scores": ("model", "selection", "intervention", "dataset"),
    "comparisons": ("model", "selection", "intervention"),
    "selectivity": ("model", "selection", "intervention"),
    "verdicts": (),
}
_OF_A_RUN = ("comparisons", "selectivity")  # these lie in the folder of their run, and the file is named by kind


def keys_of(kind: str, path: str | Path) -> dict[str, str]:
    """What the path of a table says: `.../ablation/m/s/i/d.scores.parquet` gives model m, selection s, ...

    Raises:
        UserError: the path has too few folders.
    """
    names = _KEYS[kind]
    several = "intervention" in names  # the folder of a run holds tables of several kinds
    ending = f".{kind}.parquet" if several else ".parquet"
    if kind in _OF_A_RUN:
        ending = f"/{kind}.parquet"
    text = Path(path).as_posix()
    parts = text.removesuffix(ending).split("/")[-len(names) :] if names else []
    if len(parts) < len(names) or not text.endswith(ending):
        raise UserError(f"{path}: the path of a {kind} table ends in {'/'.join(f'{{{n}}}' for n in names)}{ending}")
    return dict(zip(names, parts, strict=True))
