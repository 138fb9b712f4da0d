"""CSV files of other people, read as text, so that every fault can be named with its line and value."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd

from simulation.errors import MicrogridError


class ReplayError(MicrogridError):
    """A recording cannot be used; the text names the file, the line, the column and the fix."""


def read_table(path: Path, separator: str = ",") -> pd.DataFrame:
    """Cells as text, indexed by line number; rows without any value are left out. Raises ReplayError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, delimiter=separator)
            header = [name.strip() for name in next(reader, [])]
            rows = [(reader.line_num, row) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ReplayError(f"{path}: cannot be read as CSV in UTF-8 ({error}); save it as plain CSV") from error
    for line, row in rows:
        if len(row) != len(header):
            raise ReplayError(f"{path}: line {line} has {len(row)} cells, the first line has {len(header)}")
    return pd.DataFrame([row for _, row in rows], columns=header, index=[line for line, _ in rows], dtype=object)


def refuse_where(wrong: pd.Series, path: Path, texts: pd.Series, why: str) -> None:
    """Raises ReplayError for the first row where `wrong`; `{}` in `why` stands for its value."""
    if wrong.any():
        place = int(np.argmax(wrong.to_numpy()))
        value = repr(texts.iloc[place])
        raise ReplayError(f"{path}: line {texts.index[place]}: {why.replace('{}', value)}")


def is_written(texts: pd.Series) -> pd.Series:
    """Where a cell holds anything but spaces."""
    return texts.str.strip() != ""


def numbers(texts: pd.Series, decimal: str = ".") -> pd.Series:
    """Cells as numbers; NaN where a cell is empty or holds no number."""
    plain = texts.str.strip()
    if decimal != ".":
        plain = plain.str.replace(".", "", regex=False).str.replace(decimal, ".", regex=False)
    return pd.to_numeric(plain.where(plain != "", "nan"), errors="coerce").astype(float)
