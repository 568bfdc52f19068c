"""Least squares over very many rows with few entries each, with standard errors by cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from deemster.suites.metrics.estimate import Floats, Ints

if TYPE_CHECKING:
    from scipy import sparse

MOST_CONDITION = 1e6
"""Of the normal equations, columns scaled to length 1. A solution loses as many digits as this has,
of 16; beyond it the matrix itself is decomposed, which takes a hundred times as long."""


def clustered_least_squares(
    rows: sparse.csr_array, target: Floats, clusters: Ints
) -> tuple[Floats, Floats]:
    """Coefficients without an intercept, and their standard errors robust to clusters.

    The covariance is the sandwich estimator of Liang and Zeger (1986), times
    C / (C - 1) * (V - 1) / (V - P) for few clusters.

    Args:
        rows: (V, P), sparse, V > P. Where columns depend on each other, the coefficients are the
            shortest of the solutions.
        target: (V,).
        clusters: (V,), whole numbers; rows of one cluster may have dependent errors. Two at least.

    Returns:
        Coefficients (P,) and standard errors (P,).
    """
    from scipy import sparse  # noqa: PLC0415 - slow to import

    solved = _by_normal_equations(rows, target)
    coefficients, bread = _by_svd(rows, target) if solved is None else solved
    errors = target - rows @ coefficients
    _, number = np.unique(clusters, return_inverse=True)
    n_clusters, (n_rows, n_columns) = int(number.max()) + 1, rows.shape
    same = sparse.csr_array((errors, (number, np.arange(n_rows))), shape=(n_clusters, n_rows))
    sums = same @ rows
    filling = (sums.T @ sums).toarray()
    few = n_clusters / (n_clusters - 1) * (n_rows - 1) / (n_rows - n_columns)
    variances = few * np.einsum("ij,jk,ik->i", bread, filling, bread, optimize=True)
    return coefficients, np.sqrt(np.maximum(variances, 0))


def _by_normal_equations(rows: sparse.csr_array, target: Floats) -> tuple[Floats, Floats] | None:
    """Coefficients and the inverse of X'X; None where too many digits would be lost."""
    from scipy import linalg  # noqa: PLC0415 - slow to import

    gram = (rows.T @ rows).toarray()
    lengths = np.sqrt(np.diag(gram))
    if not lengths.all():
        return None
    scaled = gram / np.outer(lengths, lengths)
    values = np.linalg.eigvalsh(scaled)
    if values[0] * MOST_CONDITION <= values[-1]:
        return None
    factor = linalg.cho_factor(scaled)
    coefficients = np.zeros(len(gram))
    # The second round takes back most of what the first one rounded off.
    for _ in range(2):
        left = rows.T @ (target - rows @ coefficients)
        coefficients += linalg.cho_solve(factor, left / lengths) / lengths
    inverse = linalg.cho_solve(factor, np.eye(len(gram)))
    return coefficients, inverse / np.outer(lengths, lengths)


def _by_svd(rows: sparse.csr_array, target: Floats) -> tuple[Floats, Floats]:
    inverse = np.linalg.pinv(rows.toarray(), rcond=1e-15)
    return inverse @ target, inverse @ inverse.T
