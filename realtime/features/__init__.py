"""The features of a movement: one implementation, used by training and by the live route."""

from realtime.features.extract import handcrafted, network_frames, network_input
from realtime.features.key_flow import evidence_from_faces, key_frame_flows
from realtime.features.normalise import normalise_flow
from realtime.features.spec import BLOCKS, FEATURE_NAMES, FEATURE_SPEC_ID

__all__ = [
    "BLOCKS",
    "FEATURE_NAMES",
    "FEATURE_SPEC_ID",
    "evidence_from_faces",
    "handcrafted",
    "key_frame_flows",
    "network_frames",
    "network_input",
    "normalise_flow",
]
