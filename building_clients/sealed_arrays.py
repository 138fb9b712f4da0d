"""Arrays and a text as one file that shows whether it is whole: an .npz, then the 32 bytes of its SHA-256.

Whatever is damaged is noticed before anything is parsed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import numpy as np

DIGEST_BYTES = 32


def sealed(arrays: Sequence[np.ndarray], name: str, text: str) -> bytes:
    """The content of the file; `name` is the text's in the .npz."""
    buffer = io.BytesIO()
    np.savez(buffer, *arrays, **{name: np.array(text)})  # type: ignore[arg-type]  # numpy's stub takes only its own option
    body = buffer.getvalue()
    return body + hashlib.sha256(body).digest()


def unsealed(content: bytes, name: str) -> tuple[str, list[np.ndarray]]:
    """The text and the arrays again. Raises ValueError when the content is not whole."""
    body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("its checksum is wrong")
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        return str(stored[name]), [stored[f"arr_{index}"] for index in range(len(stored.files) - 1)]
