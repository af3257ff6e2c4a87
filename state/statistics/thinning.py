"""Fewer points of a long line, none of its peaks lost: what a picture of a certain width can show."""

import numpy as np
from numpy.typing import NDArray


def thin(values: NDArray[np.float64], columns: int) -> NDArray[np.int64]:
    """Places of the points to draw, sorted: of each of `columns` equal stretches the first, lowest, highest and last.

    At most 4 x `columns` places; all of them where the line is no longer than that. Values that are not finite are
    drawn nowhere, so they are left out. (The same idea as the M4 aggregation of U. Jugel et al., 2014, VLDB 7, 797.)
    """
    known = np.flatnonzero(np.isfinite(values))
    if known.size <= 4 * columns:
        return known
    edges = np.linspace(0, known.size, columns + 1).astype(np.int64)
    kept = [
        (start, start + int(np.argmin(part)), start + int(np.argmax(part)), end - 1)
        for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if (part := values[known[start:end]]).size
    ]
    return known[np.unique(np.array(kept, dtype=np.int64))]
