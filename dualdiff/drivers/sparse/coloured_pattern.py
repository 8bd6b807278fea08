"""A sparsity pattern with its colouring: made once for many x, checked along a random direction at each use."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from typing import Any

import numpy as np

from dualdiff.base.public import shown_in
from dualdiff.drivers.run.seeds import Directions
from dualdiff.drivers.sparse.colouring import column_colours, star_colours
from dualdiff.tangents.pattern import Memory, Pattern, index_dtype, scipy_sparse

#: Two ways to compute a derivative agree if they differ by at most this multiple of the unit roundoff.
ROUNDING = 256
#: The largest size of the picture of a pattern, in characters, and the marks for its cells: upper, lower, both.
LINES, WIDTH = 18, 72
MARKS = " '.:"


class Repeated:
    """``sparse=True`` for many x: each pass reuses the structures of earlier ones and computes only the values."""

    def __init__(self) -> None:
        self.memory = Memory(lasting=True)
        #: The last pattern with its colouring, where that is used.
        self.last: Compression | None = None

    def __reduce__(self) -> Any:
        return Repeated, ()

    def __repr__(self) -> str:
        return "True"


class Compression:
    """A pattern with its colouring, and the position of each entry in the compressed derivative.

    It is made once for many x and never changed, so that threads may share it.  After the directions of the colours
    follows a random one, the probe, which detects missing entries of the pattern.
    """

    def __init__(self, pattern: Pattern, symmetric: bool = False, colours: Any = None, thorough: bool = True) -> None:
        if symmetric:
            pattern = symmetrised(pattern)
        if colours is None:
            colours = (star_colours if symmetric else column_colours)(pattern, thorough)
        self.pattern, self.symmetric, self.repeated = pattern, symmetric, Repeated()
        self.count = int(colours.max()) + 1 if len(colours) else 0
        self.colours = colours.astype(np.min_scalar_type(self.count))
        rows, columns = pattern.row_of_entries(), pattern.indices
        #: The flat index of each entry in the compressed derivative, which has a row for each colour.
        self.places = colours[columns] * np.int64(pattern.rows) + rows
        if symmetric:
            # Two entries of a row with one colour cannot be told apart: they are read off from their mirror images.
            _, which, shared = np.unique(self.places, return_inverse=True, return_counts=True)
            mirror = colours[rows] * np.int64(pattern.rows) + columns
            self.places = np.where(shared[which] > 1, mirror, self.places)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the derivative as a matrix."""
        return self.pattern.rows, self.pattern.columns

    @cached_property
    def probe(self) -> Any:
        """A direction in which every column counts, the same in each process.

        Its components have 24 bits, so that simple programs multiply them without rounding, and single precision
        represents them exactly.
        """
        return (0.5 + np.random.default_rng(0).random(self.pattern.columns, np.float32)).astype(float)

    @cached_property
    def bidirectional(self) -> Any:
        """The compression of rows and columns, if it takes fewer passes than that of columns alone."""
        from dualdiff.drivers.sparse.two_sided import two_sided

        return two_sided(self)

    def directions(self) -> Directions:
        """For each colour the sum of the unit directions of its columns; the probe follows the last of them."""
        return Directions(self.count, partial(_colour_rows, self.colours, self.count, self.probe))

    @cached_property
    def entries(self) -> tuple[Any, Any]:
        """For each entry, its row in the compressed derivative and its colour."""
        colours, rows = np.divmod(self.places, max(self.pattern.rows, 1))
        return rows.astype(np.intp), colours.astype(np.intp)

    def agrees(self, data: Any, along: Any, dtypes: Sequence[Any]) -> bool:
        """Whether the values of the entries give the derivative along the probe, up to rounding in these dtypes.

        False also if a value is not finite, because then it cannot be decided.
        """
        tolerance = rounding(dtypes)
        with np.errstate(all="ignore"):
            error, probe = abs(self.pattern.as_array(data) @ self.probe - along), self.probe
            # Rarely needed: the terms of a row are larger than their sum.
            sizes = abs(along) if (error <= tolerance * abs(along)).all() else self.pattern.as_array(abs(data)) @ probe
            return bool(((error <= tolerance * sizes) & (error < np.inf)).all())

    def decompressed(self, compressed: Any) -> Any:
        """The values of the entries."""
        return compressed.reshape(-1).take(self.places)

    def as_array(self, data: Any) -> Any:
        """The derivative with these values as a ``csr_array``, with indices that share no memory."""
        return self.pattern.copy().as_array(data)

    def separates(self) -> bool:
        """Whether each entry is the only one at its place in the compressed derivative."""
        rows, columns = self.pattern.row_of_entries(), self.pattern.indices
        known, shared = np.unique(self.colours[columns] * np.int64(self.pattern.rows) + rows, return_counts=True)
        return bool((shared[np.searchsorted(known, self.places)] == 1).all())

    def __repr__(self) -> str:
        return f"<pattern {self.shape[0]} x {self.shape[1]}, {self.pattern.size} entries, {self.count} colours>"


def _colour_rows(colours: Any, count: int, probe: Any, start: int, stop: int) -> Any:
    seeds = np.empty((stop - start + (stop == count), len(colours)))
    for colour in range(start, stop):
        np.equal(colours, colour, out=seeds[colour - start], casting="unsafe")
    if stop == count:
        seeds[-1] = probe
    return seeds


@shown_in("dualdiff")
class ColouredPattern:
    """A sparsity pattern with a colouring, for ``sparse=``: coloured once, saved, and used for many x.

    Parameters
    ----------
    pattern : scipy.sparse array or boolean matrix
        The pattern of a Jacobian or a Hessian; of a sparse array, the stored entries count.
    symmetric : bool
        The pattern is that of a Hessian: it is symmetrized, and gets a star colouring.
    colours : array of int, optional
        The colour of each column, as computed elsewhere.  By default those of the best of several orders.

    Raises
    ------
    ValueError
        If the given colours do not separate the entries: columns of one colour share a row, or for a symmetric pattern
        an entry can be read off neither directly nor from its mirror image.

    Notes
    -----
    It never changes, so that threads may share it.  ``jacobian(f, sparse=pattern)`` makes one from a plain pattern.  A
    Jacobian compresses columns, and rows as well if that takes fewer directions (see `jacobian`).

    Examples
    --------
    >>> import numpy as np
    >>> from dualdiff import ColouredPattern, jacobian
    >>> band = np.tri(6, 6, 1) - np.tri(6, 6, -2)
    >>> coloured = ColouredPattern(band)
    >>> coloured
    <pattern 6 x 6, 16 entries, 3 colours>
    ::.
     '::.
       '::
    >>> jacobian(lambda x: x**2 + np.roll(x, 1) * (np.arange(6) > 0), np.ones(6), sparse=coloured).nnz
    16
    """

    def __init__(self, pattern: Any, symmetric: bool = False, *, colours: Any = None) -> None:
        pattern = pattern_of("ColouredPattern", pattern)
        if symmetric and pattern.rows != pattern.columns:
            raise ValueError(
                f"ColouredPattern: the pattern has shape {(pattern.rows, pattern.columns)}, but that of a Hessian is "
                "square"
            )
        if colours is not None:
            given = np.asarray(colours)
            if given.shape != (pattern.columns,) or (given.size and given.min() < 0):
                raise ValueError(f"ColouredPattern: {pattern.columns} columns need as many colours, not {colours!r}")
            colours = given
        self._compression = Compression(pattern, symmetric, colours)
        if colours is not None and not self._compression.separates():
            raise ValueError("ColouredPattern: the given colours do not separate the entries of the pattern")

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the derivative as a matrix."""
        return self._compression.shape

    @property
    def symmetric(self) -> bool:
        """Whether the colouring is that of a symmetric matrix."""
        return self._compression.symmetric

    @property
    def colours(self) -> Any:
        """The colour of each column, counted from 0."""
        return self._compression.colours.copy()

    @property
    def count(self) -> int:
        """The number of colours."""
        return self._compression.count

    def as_matrix(self) -> Any:
        """The pattern as a boolean ``csr_array``."""
        return self._compression.as_array(np.ones(self._compression.pattern.size, bool))

    def save(self, file: Any) -> None:
        """Write pattern and colours to a file in NumPy's format npz, from which `load` reads them.

        ``scipy.sparse.load_npz`` reads the pattern alone from the same file.
        """
        pattern = self._compression.pattern
        names = {"indices": pattern.indices, "indptr": pattern.indptr, "shape": self.shape}
        data = np.ones(pattern.size, bool)
        np.savez_compressed(
            file, format=b"csr", _is_array=True, data=data, colours=self.colours, symmetric=self.symmetric, **names
        )

    @classmethod
    def load(cls, file: Any) -> ColouredPattern:
        """Read a pattern with its colours from a file that `save` has written."""
        with np.load(file) as saved:
            if "colours" not in saved:
                raise ValueError(
                    f"ColouredPattern.load: {file} has a pattern, but no colours: ColouredPattern.save did not write "
                    "it. Use ColouredPattern(scipy.sparse.load_npz(file)), which colours it"
                )
            parts = (saved["data"], saved["indices"], saved["indptr"])
            matrix = scipy_sparse().csr_array(parts, shape=tuple(saved["shape"].tolist()))
            return cls(matrix, bool(saved["symmetric"]), colours=saved["colours"])

    def __repr__(self) -> str:
        return "\n".join([repr(self._compression), *picture(self._compression.pattern)])


def compression_of(coloured: ColouredPattern) -> Compression:
    """What a coloured pattern computes with."""
    return coloured._compression


def picture(pattern: Pattern) -> list[str]:
    """The pattern as lines of text, reduced if it is large: each character shows two cells, one above the other."""
    if not pattern.size:
        return []
    # A character is about twice as high as wide.
    scale = max(1.0, pattern.rows / (2 * LINES), pattern.columns / WIDTH)
    height, width = (max(int(np.ceil(n / scale)), 1) for n in (pattern.rows, pattern.columns))
    cells = np.zeros((height + height % 2, width), np.intp)
    rows, columns = (
        np.minimum((a / scale).astype(np.intp), n - 1)
        for a, n in ((pattern.row_of_entries(), height), (pattern.indices, width))
    )
    cells[rows, columns] = 1
    return ["".join(MARKS[i] for i in line).rstrip() for line in cells[::2] + 2 * cells[1::2]]


def rounding(dtypes: Sequence[Any]) -> float:
    """The tolerated difference of two sums in these dtypes, relative to the sum of the magnitudes of their terms."""
    return ROUNDING * max(float(np.finfo(np.result_type(dtype, np.float16)).eps) for dtype in dtypes)


def pattern_of(operator: str, sparse: Any) -> Pattern:
    """A pattern from a SciPy sparse matrix (its stored entries) or an array-like (its nonzero elements)."""
    module = scipy_sparse()
    if isinstance(sparse, tuple) and sparse:
        # The blocks of several arguments, side by side.
        rows = sparse if isinstance(sparse[0], tuple) else (sparse,)
        sparse = module.block_array([[module.coo_array(block) for block in row] for row in rows])
    if not module.issparse(sparse):
        sparse = np.asarray(sparse)
        if sparse.dtype.kind not in "biufc" or sparse.ndim != 2:
            raise TypeError(
                f"{operator}: sparse must be True, False or a pattern (a scipy.sparse array or a boolean matrix), not "
                f"an array of dtype {sparse.dtype} and shape {sparse.shape}"
            )
    elif sparse.ndim != 2:
        raise TypeError(f"{operator}: the pattern given as sparse has shape {sparse.shape}, but must be a matrix")
    # Stored zeros are entries too, hence the values are replaced by True.
    matrix = module.coo_array(sparse)
    marked = module.coo_array((np.ones(matrix.nnz, bool), matrix.coords), shape=matrix.shape).tocsr()
    return as_pattern(marked)


def as_pattern(matrix: Any) -> Pattern:
    """The pattern of a ``csr_array``."""
    matrix.sum_duplicates()
    columns = matrix.shape[1]
    dtype = index_dtype(max(columns, matrix.nnz))
    return Pattern(matrix.indptr.astype(dtype), matrix.indices.astype(dtype), columns)


def symmetrised(pattern: Pattern) -> Pattern:
    """The entries of a square pattern and their mirror images."""
    rows, columns = pattern.row_of_entries(), pattern.indices
    keys = np.concatenate([pattern.keys(), columns * np.int64(pattern.columns) + rows])
    return Pattern.of_keys(np.unique(keys), (pattern.rows, pattern.columns))
