"""Settings of the spotter. Lengths are percent of the eye distance, times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from realtime.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SpotterConfig:
    """Settings of the spotter."""

    threshold: float = 3.5
    """A macro-expression begins where a region moves by this many times its noise."""
    min_motion: float = 0.11
    """… and by at least this much, percent of the eye distance per lag."""
    smoothing_s: float = 0.02
    """Length of the boxcar over the region signals, s."""
    noise_s: float = 1.5
    """Time constant of the noise estimate, s."""
    noise_floor: float = 0.04
    """Least noise of a region, percent of the eye distance."""
    warm_up_s: float = 0.3
    """Before the noise has been watched for this long, s, no macro-expression is reported."""
    close_ratio: float = 0.7
    """A lobe ends when it has fallen below this share of its peak."""
    opposite: float = -0.5
    """Two lobes are out and back when the cosine between them is below this."""
    balance: float = 0.25
    """… and the smaller of them is at least this share of the larger."""
    confidence: float = 0.4
    """Least probability, by the network's own account, of a micro-expression that is reported."""
    peak_s: float = 0.03
    """How long a micro-expression must have been likeliest before it is reported, s."""
    max_jitter: float = 1.2
    """A movement along which the motion changes by more than this share of its energy every 1/30 s (2: noise)
    is a region that trembles, no micro-expression."""
    settle_s: float = 0.12
    """How long after the second peak the decision waits, s."""
    micro_max_s: float = 0.5
    """Longest micro-expression, s (Yan et al. 2013); longer ones are macro-expressions."""
    min_duration_s: float = 0.1
    """Shorter movements are noise or twitches of the image, s."""
    macro_max_s: float = 4.0
    """Longest macro-expression that is looked for, s."""
    max_return: float = 0.3
    """A movement counts when it falls back below this share of its peak."""
    blink_closure: float = 0.08
    """A movement during which the eyes close by more than this share is a blink …"""
    blink_lid_ratio: float = 0.8
    """… where the lids move more than this many times the rest of the face."""
    max_lid_ratio: float = 1.3
    """A movement whose lids move more than this many times the rest is the eyes' own: a blink or a gaze
    shift (and, alas, a lid raiser, AU 5, that comes alone)."""
    max_micro_motion: float = 6.0
    """A micro-expression moves no region further than this, percent of the eye distance."""
    max_head_ratio: float = 6.0
    """A movement during which the head moves more than this many times the face is the head's."""
    min_explained: float = 0.6
    """Least share of the motion's energy that goes out and back along one direction."""
    observable_motion: float = 0.2
    """Above this much motion of the whole face, head removed, movements of .8 px (on a face of 200 px) are
    missed more and more, and a silence says little: RMS over the face in percent of the eye distance per
    lag, as `Spotter.activity`."""
    max_light_change: float = 0.25
    """Spotting is suspended while the light changes by more than this share per lag; the flow makes up for
    less."""
    max_patchy_light: float = 0.03
    """… or by more than this in a way that is not the same all over the face."""
    min_light_ratio: float = 0.3
    """… or is below this share of the stream's usual brightness."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name != "opposite" and not value > 0:
                raise ConfigError(f"spotter.{field.name} must be above 0, not {value}")
        for name, least, most in (
            ("threshold", 0.1, 1000.0),
            ("noise_floor", 1e-4, 100.0),
            ("smoothing_s", 0.001, 0.1),
            ("noise_s", 0.1, 60.0),
            ("warm_up_s", 0.01, 10.0),
            ("settle_s", 0.01, 1.0),
            ("peak_s", 0.01, 0.5),
            ("macro_max_s", 0.5, 30.0),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError(
                    f"spotter.{name} must lie in {least:g}..{most:g}, not {getattr(self, name)}"
                )
        if not -1.0 <= self.opposite < 0.0:
            raise ConfigError(f"spotter.opposite is a cosine in -1..0, not {self.opposite}")
        for name in (
            "close_ratio",
            "balance",
            "confidence",
            "max_return",
            "blink_closure",
            "min_explained",
        ):
            if getattr(self, name) >= 1.0:
                raise ConfigError(f"spotter.{name} is a share below 1, not {getattr(self, name)}")
        if not self.min_duration_s < self.micro_max_s < self.macro_max_s:
            raise ConfigError("spotter: min_duration_s < micro_max_s < macro_max_s must hold")
