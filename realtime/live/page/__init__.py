"""The live page: pictures and motion from the cameras' processes, events from the outputs, to a browser."""
