"""How far each point of a face stands out, for the parallax of small head rotations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.types import F64


def face_relief(x: NDArray[Any], y: NDArray[Any]) -> F64:
    """Depth of an average face at points in face units: an ellipsoid head with a nose.

    0 at the outline of the face, about 0.8 on the cheeks' ridge, about 1 at the tip of the nose
    (in face units); float64 of the shape of x and y.
    """
    dome = np.maximum(1.0 - (x / 1.25) ** 2 - ((y - 0.45) / 1.6) ** 2, 0.0)
    nose = np.exp(-0.5 * ((x / 0.16) ** 2 + ((y - 0.52) / 0.26) ** 2))
    return np.asarray(0.75 * np.sqrt(dome) + 0.3 * nose, dtype=np.float64)
