"""Known micro-expressions warped into real footage: how much of them is found there?

A silent spotter on a busy face proves nothing; one that finds what was planted into the same footage does.
`track` follows the face of the untouched footage, `plan` draws what is planted when, `source` gives the
planted frames with their truth, `trial` drives the live route over them and `outcome` counts.
"""

from offline.planting.plan import Planted, PlantingPlan, draw_events
from offline.planting.source import PlantedSource
from offline.planting.track import FaceTrack, track_face

__all__ = ["FaceTrack", "Planted", "PlantedSource", "PlantingPlan", "draw_events", "track_face"]
