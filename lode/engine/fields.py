"""A column of a table with its unit and meaning, from which figures take their labels."""

import pyarrow as pa


def field(name: str, dtype: pa.DataType, unit: str, description: str, nullable: bool = False) -> pa.Field:
    """A column with its unit and meaning."""
    return pa.field(name, dtype, nullable, {"unit": unit, "description": description})
