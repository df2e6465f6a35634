import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from media import write_video

from realtime.sources.ahead import read_ahead


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert not set(threading.enumerate()) - before


def test_gives_the_same_items_in_order() -> None:
    assert list(read_ahead(iter(range(100)), 3)) == list(range(100))
    assert list(read_ahead(iter(()), 3)) == []


def test_fetches_no_more_than_its_depth() -> None:
    fetched: list[int] = []
    several = threading.Event()

    def items() -> Iterator[int]:
        for number in range(50):
            fetched.append(number)
            if number == 5:
                several.set()
            yield number

    stream = read_ahead(items(), 4)
    assert next(stream) == 0
    assert several.wait(5.0)
    # one asked for, four waiting, one in the thread's hand
    assert len(fetched) <= 6
    stream.close()


def test_an_error_comes_where_it_was() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    stream = read_ahead(items(), 8)
    assert [next(stream), next(stream)] == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_leaving_early_closes_the_source() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    stream = read_ahead(items(), 2)
    next(stream)
    stream.close()
    assert closed.is_set()


def test_a_program_that_ends_in_the_middle_of_a_film_ends_in_order(tmp_path: Path) -> None:
    write_video(tmp_path / "film.avi", "MJPG", 200)
    code = """
import sys
from realtime.sources import open_source
frames = iter(open_source(sys.argv[1]))
next(frames)
"""
    for _ in range(3):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "film.avi")], check=True)
