"""Onset, apex and offset on a live signal: noise, lobes, pairs of lobes, times, gates."""

from realtime.spotting.config import SpotterConfig
from realtime.spotting.spotter import Spotter

__all__ = ["Spotter", "SpotterConfig"]
