"""Onset, apex and offset on a live signal: noise, lobes, pairs of lobes, times, gates."""

from realtime.spotting.config import SpotterConfig
from realtime.spotting.spotter import Spotter
from realtime.spotting.tentative import Tentative, TentativeLog

__all__ = ["Spotter", "SpotterConfig", "Tentative", "TentativeLog"]
