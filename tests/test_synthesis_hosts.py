"""Hosts are of their seed alone, can be read again, and show no micro-expression of their own."""

from __future__ import annotations

import numpy as np
import pytest

from offline.synthesis.hosts import HOST_KINDS, HostKind, render_host


@pytest.mark.parametrize("kind", HOST_KINDS)
def test_a_host_can_be_opened_again(kind: HostKind) -> None:
    host = render_host(kind, 3, seconds=2.0)
    with host as source:
        first = list(source)
    with host as source:
        again = list(source)
    assert len(first) == host.info.frame_count == 60
    assert first[30].time_s == pytest.approx(1.0)
    assert first[0].image.shape == (host.info.height, host.info.width, 3)
    assert all(a.image is b.image for a, b in zip(first, again, strict=True))
    assert not first[0].image.flags.writeable


def test_a_seed_gives_one_person_and_other_seeds_others() -> None:
    first, again, other = (list(render_host("quiet", seed, seconds=2.0)) for seed in (3, 3, 4))
    assert np.array_equal(first[-1].image, again[-1].image)
    assert first[-1].image.shape != other[-1].image.shape or not np.array_equal(
        first[-1].image, other[-1].image
    )
