from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Clip, Film, Run

import realtime
from realtime import cli
from realtime.errors import BundleError, SourceError
from realtime.sinks.records import event_record


def test_detect_gives_what_the_command_writes(clip: Clip, tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    assert cli.main(["process", str(clip.video), "--model", str(tiny_bundle), "--out", str(out)]) == 0
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    written = [record for record in records if record["type"] == "micro_expression"]
    events = list(realtime.detect(clip.video, model=tiny_bundle))
    assert len(written) == 1
    assert [event_record(event) for event in events] == written
    assert isinstance(events[0], realtime.FacialEvent)


def test_events_come_while_the_stream_runs(clip: Clip, film: Film, film_run: Run) -> None:
    """Without a model and over the frames themselves: the same movement, unlabelled."""
    found = realtime.detect(clip.video, model=None, config=realtime.PipelineConfig())
    first = next(found)
    found.close()
    assert event_record(first) == event_record(film_run.events[0])
    assert (first.kind, first.label) == ("micro_expression", None)


def test_errors_are_clear() -> None:
    for call in (
        lambda: realtime.load_recognizer("nonesuch"),
        lambda: next(realtime.detect("none.mkv", model="nonesuch")),
    ):
        with pytest.raises(BundleError, match="no model bundle 'nonesuch'") as caught:
            call()
        assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match=r"none\.mkv: no such file"):
        next(realtime.detect("none.mkv", model=None))
    assert issubclass(BundleError, realtime.GlimpseError)
