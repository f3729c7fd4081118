"""The tables that flow between stages: their schemas, and the only reader and writer of results.

Every field carries a unit and a description in its Parquet metadata, from which figures take their
labels. Every table carries its provenance: digests of config and code, and library versions.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lode.errors import UserError
from lode.fields import field
from lode.planting.schemas import PLANTING_SCHEMAS

LIBRARIES = ("torch", "transformers", "numpy", "pyarrow")
PROVENANCE_KEY = b"lode"
COMPRESSION = "zstd"


_MEDIUM = pa.struct(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bytes", pa.binary(), nullable=False),
        pa.field("mime", pa.string(), nullable=False),
    ]
)
_NEURON = (
    field("modality", pa.string(), "name", "modality of the tokens"),
    field("layer", pa.int16(), "index", "language-model layer, 0 is nearest the input"),
    field("neuron", pa.int32(), "index", "position in the layer's feed-forward intermediate vector"),
)
_COUNTS = (
    field("num_samples", pa.int64(), "samples", "samples that hold the modality"),
    field("num_tokens", pa.int64(), "tokens", "tokens of the modality over all samples"),
    field("positive_count", pa.int64(), "tokens", "tokens with an activation > 0"),
)


def _moments(name: str, meaning: str) -> tuple[pa.Field, pa.Field]:
    return (
        field(f"{name}_sum", pa.float64(), "activation", f"sum over samples of the {meaning}"),
        field(f"{name}_sumsq", pa.float64(), "activation^2", f"sum over samples of the squared {meaning}"),
    )


_SUMS = (
    *_moments("mean", "mean over tokens"),
    *_moments("abs_mean", "mean over tokens of the magnitude"),
    *_moments("max", "maximum over tokens"),
    *_moments("attn_k", "key-weighted token sum"),
    *_moments("attn_q", "query-weighted token sum"),
)
#: What is captured only where the config asks for it; otherwise null.
_OPTIONAL = (
    field(
        "histogram",
        pa.list_(pa.int32()),
        "samples",
        "samples by bin of their mean over tokens, edges of lode/importance/histogram.py; with capture.num_bins",
        nullable=True,
    ),
    field(
        "hidden_abs_sum",
        pa.float64(),
        "hidden",
        "sum over samples of the mean over tokens of the magnitude of gate * up; with capture.hidden_site",
        nullable=True,
    ),
)
_WEIGHTS = (field("down_norm", pa.float64(), "weight", "Euclidean norm of the neuron's column of down_proj"),)
_SCORES = ("prob", "mean", "max", "attn_k", "attn_q")
_SET = (
    field("set_name", pa.string(), "name", "the neuron set, or `none`, `blank`, `constant` for what `kind` says"),
    field(
        "kind",
        pa.string(),
        "name",
        "`method`, `control`, `clean` (no intervention), `blanked` (nor any medium), or `constant` (chance level)",
    ),
    field("control_of", pa.string(), "name", "the method set that this control is matched to, else empty"),
    field("control_kind", pa.string(), "name", "how the control is drawn (`lode/control/`), else empty"),
    field("control_draw", pa.int32(), "index", "which draw of the control, -1 for a method set"),
)
_BENCHMARK = (
    field("dataset", pa.string(), "name", "the benchmark"),
    field("score_name", pa.string(), "name", "the scoring rule"),
)
_CONTROL_KIND = field("control_kind", pa.string(), "name", "the controls it is ranked among; empty: there are none")
_P_VALUE = field("p_value", pa.float64(), "probability", "(1 + controls with at least this drop) / (1 + controls)")
_EFFECT_SIZES = (
    field("cohen_d", pa.float64(), "ratio", "d_z: mean / standard deviation of drops; null: no spread", True),
    field("odds_ratio", pa.float64(), "ratio", "(lost + 1/2) / (won + 1/2) samples; null: score not binary", True),
    field("mcnemar_p", pa.float64(), "probability", "exact McNemar test; null: score not binary", True),
)

SCHEMAS: dict[str, pa.Schema] = {
    "dataset": pa.schema(
        [
            field("sample_id", pa.string(), "id", "unique within the dataset"),
            field("cluster_id", pa.string(), "id", "samples that share a medium share a cluster"),
            field("split", pa.string(), "name", "`mine` selects neurons, `report` measures effects"),
            field("prompt", pa.string(), "text", "the user's turn, without chat markup"),
            field("media", pa.list_(_MEDIUM), "encoded", "images, videos or sounds, encoded as files"),
            field("answers", pa.list_(pa.string()), "text", "accepted answers or references"),
            field("choices", pa.list_(pa.string()), "text", "options of a multiple choice, else empty"),
            field("answer_index", pa.int32(), "index", "the right option, -1 where there are none"),
            field("meta", pa.string(), "JSON", "whatever else the source holds"),
        ]
    ),
    "statistics": pa.schema(
        [
            *_NEURON,
            *_COUNTS,
            *_SUMS,
            *_OPTIONAL,
            *_WEIGHTS,
            *(
                field(f"{m}_score_sum", pa.float64(), "normalised", f"sum over samples of normalised {m} importance")
                for m in _SCORES
            ),
        ]
    ),
    "importance": pa.schema(
        [
            *_NEURON,
            *(field(m, pa.float64(), "normalised", f"MINER importance by {m}") for m in _SCORES),
            *_COUNTS,
            *_SUMS,
            *_OPTIONAL,
            *_WEIGHTS,
        ]
    ),
    "neurons": pa.schema(
        [
            *_SET,
            *_NEURON,
            field("score", pa.float64(), "importance", "what the selection ranked by, NaN for a control"),
            field("rank", pa.int32(), "rank", "0 is the best of its set, -1 for a control"),
        ]
    ),
    "predictions": pa.schema(
        [
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("reply", pa.string(), "text", "greedy reply, special tokens removed"),
            field("gold", pa.string(), "text", "the answer whose log-likelihood was taken"),
            field(
                "gold_log_likelihood", pa.float64(), "nats", "log-probability of the gold answer, summed over tokens"
            ),
            field(
                "choice_log_likelihoods",
                pa.list_(pa.float64()),
                "nats",
                "log-probability of each option as the reply's first token; null without options of one token each",
                nullable=True,
            ),
            field("num_prompt_tokens", pa.int32(), "tokens", "length of the prompt with media"),
            field("num_reply_tokens", pa.int32(), "tokens", "generated tokens before the end token"),
            field("truncated", pa.bool_(), "flag", "the reply hit the token limit"),
        ]
    ),
    "scores": pa.schema(
        [
            *_BENCHMARK,
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("num_samples", pa.int32(), "samples", "samples scored"),
            field("value", pa.float64(), "score in [0, 1]", "mean score over samples"),
            field("interval_low", pa.float64(), "score in [0, 1]", "lower end of the 95 % cluster bootstrap interval"),
            field("interval_high", pa.float64(), "score in [0, 1]", "upper end of the 95 % cluster bootstrap interval"),
            field(
                "gold_log_likelihood",
                pa.float64(),
                "nats",
                "mean log-likelihood of the gold answer; null for the constant reply",
                nullable=True,
            ),
            field("empty_frac", pa.float64(), "fraction", "replies without any text"),
            field("truncated_frac", pa.float64(), "fraction", "replies that hit the token limit"),
            field("parse_frac", pa.float64(), "fraction", "replies that name one of the choices, or are not empty"),
            field("loop_frac", pa.float64(), "fraction", "replies with words that come again and again"),
            field(
                "num_reply_tokens",
                pa.float64(),
                "tokens",
                "mean length of a reply; null for the constant reply",
                nullable=True,
            ),
        ]
    ),
    "effects": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("clean", pa.float64(), "score in [0, 1]", "score of the unmodified model"),
            field("value", pa.float64(), "score in [0, 1]", "score with the set switched"),
            field("drop", pa.float64(), "score", "clean - value: what switching the set costs"),
            field(
                "interval_low",
                pa.float64(),
                "score",
                "lower end of the 95 % paired cluster bootstrap interval of the drop",
            ),
            field("interval_high", pa.float64(), "score", "upper end of that interval"),
            *_EFFECT_SIZES,
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_drop_mean", pa.float64(), "score", "mean drop of the controls"),
            field("control_drop_min", pa.float64(), "score", "smallest drop of a control"),
            field("control_drop_max", pa.float64(), "score", "largest drop of a control"),
            _P_VALUE,
        ]
    ),
    "sample_scores": pa.schema(
        [
            *_BENCHMARK,
            field("sample_id", pa.string(), "id", "as in the dataset"),
            field("cluster_id", pa.string(), "id", "as in the dataset"),
            *_SET,
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("value", pa.float64(), "score in [0, 1]", "score of this sample"),
        ]
    ),
    "comparisons": pa.schema(
        [
            *_BENCHMARK,
            field("set_name", pa.string(), "name", "the method set that was switched"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field("own", pa.bool_(), "flag", "the benchmark is one of the set's own; null: none is", nullable=True),
            field("clean", pa.float64(), "score in [0, 1]", "score of the unmodified model"),
            field("drop", pa.float64(), "score", "clean - switched: what switching the set costs"),
            field("interval_low", pa.float64(), "score", "lower end of the paired cluster bootstrap interval"),
            field("interval_high", pa.float64(), "score", "upper end of that interval"),
            field("mcnemar_p", pa.float64(), "probability", "exact McNemar test against the clean model", True),
            field("mcnemar_p_holm", pa.float64(), "probability", "mcnemar_p after Holm over its family", True),
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            _P_VALUE,
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the family"),
            field(
                "num_tests", pa.int32(), "tests", "size of the family: every (set, benchmark) of this table and kind"
            ),
        ]
    ),
    "selectivity": pa.schema(
        [
            field("set_name", pa.string(), "name", "the method set that was switched: the mask"),
            field("num_neurons", pa.int32(), "neurons", "unique neurons that were switched"),
            field(
                "own", pa.list_(pa.string()), "names", "benchmarks of the mask's own; empty: selectivity is undefined"
            ),
            field("others", pa.list_(pa.string()), "names", "the other benchmarks"),
            field("drop_own", pa.float64(), "score", "mean drop on the mask's own benchmarks", True),
            field("drop_others", pa.float64(), "score", "mean drop on the others", True),
            field("selectivity", pa.float64(), "score", "drop_own - drop_others", True),
            field("interval_low", pa.float64(), "score", "lower end of its cluster bootstrap interval", True),
            field("interval_high", pa.float64(), "score", "upper end of that interval", True),
            field("specificity_f", pa.float64(), "F in [0, 1]", "CRANE's specificity F, drops clipped at 0", True),
            _CONTROL_KIND,
            field("num_controls", pa.int32(), "draws", "controls of the kind, each with as many unique neurons"),
            field("control_mean", pa.float64(), "score", "mean selectivity of the controls", True),
            field("control_max", pa.float64(), "score", "largest selectivity of a control", True),
            field(
                "p_value", pa.float64(), "probability", "(1 + controls at least as selective) / (1 + controls)", True
            ),
            field("p_holm", pa.float64(), "probability", "p_value after Holm over the masks", True),
        ]
    ),
}
SCHEMAS |= PLANTING_SCHEMAS


def provenance(semantic: str, code_digest: str) -> dict[str, Any]:
    """What a table records about its making: no time, no host, so that equal runs give equal bytes.

    Args:
        semantic: the config of the step as sorted JSON.
        code_digest: digest of the code of the step.
    """
    return {
        "config": json.loads(semantic),
        "config_digest": f"d{sha256(semantic.encode()).hexdigest()[:16]}",
        "code_digest": code_digest,
        "versions": {name: version(name) for name in ("lode", *LIBRARIES)},
    }


def write_table(
    path: str | Path, kind: str, columns: Mapping[str, Any] | Sequence[Mapping[str, Any]], made_by: Mapping[str, Any]
) -> None:
    """Write a table under its schema: checked, to a temporary name, then renamed.

    Args:
        path: where the table goes.
        kind: a key of `SCHEMAS`.
        columns: columns by name, or rows as mappings; what may be null may be left out.
        made_by: the result of `provenance`; further keys are kept.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
    """
    table = (
        pa.Table.from_pydict(with_nulls(columns, SCHEMAS[kind]), schema=SCHEMAS[kind])
        if isinstance(columns, Mapping)
        else pa.Table.from_pylist(list(columns), schema=SCHEMAS[kind])
    )
    refuse_nulls(table, kind)
    with replacing(path) as temporary:
        pq.write_table(table.replace_schema_metadata(_metadata(kind, made_by)), temporary, compression=COMPRESSION)


def write_rows(
    path: str | Path, kind: str, rows: Iterable[Mapping[str, Any]], made_by: Mapping[str, Any], group_size: int = 50
) -> None:
    """Write a table row by row, for tables that need not fit in memory; otherwise as `write_table`.

    Args:
        path: where the table goes; nothing is left there when `rows` or a check raises.
        kind: a key of `SCHEMAS`.
        rows: rows as mappings, read once.
        made_by: the result of `provenance`; further keys are kept.
        group_size: rows that are held in memory, and in one row group of the file.

    Raises:
        ValueError: a column is missing, unknown or of the wrong type.
    """
    schema = SCHEMAS[kind].with_metadata(_metadata(kind, made_by))
    left = iter(rows)
    with replacing(path) as temporary, pq.ParquetWriter(temporary, schema, compression=COMPRESSION) as writer:
        while group := list(islice(left, group_size)):
            table = pa.Table.from_pylist(group, schema=schema)
            refuse_nulls(table, kind)
            writer.write_table(table)


def _metadata(kind: str, made_by: Mapping[str, Any]) -> dict[bytes, bytes]:
    return {PROVENANCE_KEY: json.dumps({"table": kind, **made_by}, sort_keys=True).encode()}


def refuse_nulls(table: pa.Table, kind: str) -> None:
    """Raise `ValueError` naming the first column that must have a value in every row and has not."""
    for column in SCHEMAS[kind]:
        if not column.nullable and table[column.name].null_count:
            raise ValueError(f"table {kind!r}: column {column.name!r} holds nulls; every row must have a value")


def with_nulls(columns: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """The columns, and nulls for those that may be null and are left out, as rows are read too."""
    length = len(next(iter(columns.values()))) if columns else 0
    left_out = [field for field in schema if field.nullable and field.name not in columns]
    return {**columns, **{field.name: pa.nulls(length, field.type) for field in left_out}}


class replacing:
    """Give a temporary name beside `path`; rename on success, remove on failure."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.temporary = self.path.with_name(f".{self.path.name}.partial")

    def __enter__(self) -> Path:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.temporary

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            os.replace(self.temporary, self.path)
        else:
            self.temporary.unlink(missing_ok=True)


def read_table(path: str | Path, kind: str) -> pa.Table:
    """Read a table and check that it is of the kind asked for.

    Raises:
        UserError: the file is no Parquet table, or lacks a column of its kind.
    """
    try:
        table = pq.read_table(path)
        check_columns(table, kind, path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # damaged names of columns are no text
        raise UserError(f"{path}: not a readable Parquet table ({error}); delete it and run again") from error
    return table


def check_columns(table: pa.Table, kind: str, origin: object) -> None:
    """Raise `UserError` naming every column of the kind that the table lacks."""
    missing = [name for name in SCHEMAS[kind].names if name not in table.column_names]
    if missing:
        raise UserError(
            f"{origin}: missing column {', '.join(map(repr, missing))}; a {kind} table has "
            f"{', '.join(SCHEMAS[kind].names)} and this one has {', '.join(table.column_names)}"
        )


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance that `write_table` stored."""
    return json.loads(pq.read_schema(path).metadata[PROVENANCE_KEY])


def label(kind: str, column: str) -> str:
    """An axis label from the schema: the description with its unit."""
    meta = SCHEMAS[kind].field(column).metadata
    return f"{meta[b'description'].decode()} [{meta[b'unit'].decode()}]"


def neuron_columns(modalities: Sequence[str], num_layers: int, num_neurons: int) -> dict[str, Any]:
    """The three key columns of a dense (modality, layer, neuron) table, in C order."""
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(modalities), dtype=np.int8), num_layers * num_neurons), pa.array(list(modalities))
    )
    layers = np.tile(np.repeat(np.arange(num_layers, dtype=np.int16), num_neurons), len(modalities))
    neurons = np.tile(np.arange(num_neurons, dtype=np.int32), len(modalities) * num_layers)
    return {"modality": names.cast(pa.string()), "layer": layers, "neuron": neurons}


def dense(table: pa.Table, columns: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Read columns of a dense table back as one array.

    Returns:
        The modality names, and an array (column, modality, layer, neuron).
    """
    modalities, shape = dense_shape(table)
    return modalities, np.stack([table[c].to_numpy().reshape(shape) for c in columns])


def dense_lists(table: pa.Table, column: str) -> np.ndarray:
    """Read a column of lists, all of one length, as an array (modality, layer, neuron, item)."""
    _, shape = dense_shape(table)
    lists = table[column].combine_chunks()
    return lists.flatten().to_numpy().reshape(*shape, -1)


def dense_shape(table: pa.Table) -> tuple[tuple[str, ...], tuple[int, int, int]]:
    """The modalities of a dense table and its shape (modality, layer, neuron).

    Raises:
        UserError: rows are missing, or in another order.
    """
    modalities = tuple(table["modality"].unique().to_pylist())
    num_layers = int(np.max(table["layer"].to_numpy())) + 1 if table.num_rows else 0
    num_neurons = int(np.max(table["neuron"].to_numpy())) + 1 if table.num_rows else 0
    expected = neuron_columns(modalities, num_layers, num_neurons)
    for key in ("layer", "neuron"):
        if not np.array_equal(table[key].to_numpy(), expected[key]):
            raise UserError("a table of neurons must be dense in (modality, layer, neuron) order")
    return modalities, (len(modalities), num_layers, num_neurons)


def list_column(values: np.ndarray) -> pa.Array:
    """A column of lists from an array (modality, layer, neuron, item), in C order."""
    offsets = np.arange(0, values.size + 1, values.shape[-1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values.ravel()))
