"""Synthetic micro-expressions: flow fields, key frames and whole labelled streams."""
