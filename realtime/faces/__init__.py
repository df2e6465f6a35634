"""From a frame to a face that is always in the same place: tracking, pose, alignment."""

from realtime.faces.alignment import AlignmentConfig, FaceAligner, warp, warp_together
from realtime.faces.tracker import FaceTracker, TrackerConfig

__all__ = ["AlignmentConfig", "FaceAligner", "FaceTracker", "TrackerConfig", "warp", "warp_together"]
