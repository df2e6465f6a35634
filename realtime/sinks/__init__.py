"""Where results go: JSON Lines, a table of frames, a report."""

from realtime.sinks.base import EventSink, PictureSink, SinkGroup, Viewer
from realtime.sinks.csv import CsvSink
from realtime.sinks.jsonl import JsonLinesSink

__all__ = ["CsvSink", "EventSink", "JsonLinesSink", "PictureSink", "SinkGroup", "Viewer"]
