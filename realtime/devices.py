"""Where a network may run. The command lines read this before anything heavy is loaded."""

from typing import Literal, get_args

Device = Literal["auto", "cpu", "cuda", "tensorrt"]
DEVICES: tuple[Device, ...] = get_args(Device)
"""What may be asked for."""
