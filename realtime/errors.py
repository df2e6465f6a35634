"""Every error that glimpse raises on purpose.

    GlimpseError                 the root: one line for a person, exit code 1
    ├── UsageError               the command was put together wrongly, exit code 2
    │   └── ConfigError          a configuration file or value
    ├── SourceError              a stream that cannot be opened or read
    ├── FaceModelError           the face tracker cannot start on this machine
    ├── BundleError              a model bundle that is missing, damaged or of another feature spec
    ├── DeviceError              the asked-for execution provider is not available
    ├── ClusterError             a cluster that cannot be reached, or that lost work
    ├── OutputError              a result that cannot be written
    └── DataError                a dataset, label file or truth file that cannot be used

Foreign exceptions are mapped onto these where they arise. Messages name the thing and the way out.
"""

from __future__ import annotations


class GlimpseError(Exception):
    """Root of all errors that glimpse raises on purpose; the text is one line for a person."""

    exit_code = 1


class UsageError(GlimpseError):
    """The command line or the calling code asks for something that makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or value is wrong."""


class SourceError(GlimpseError):
    """A stream cannot be opened or read."""


class FaceModelError(GlimpseError):
    """The face tracker cannot start."""


class BundleError(GlimpseError):
    """A model bundle is missing, damaged, untrusted or made for another feature spec."""


class DeviceError(GlimpseError):
    """The execution provider that was asked for is not available."""


class ClusterError(GlimpseError):
    """A cluster cannot be reached, has no worker, or lost work."""


class OutputError(GlimpseError):
    """A result cannot be written."""


class DataError(GlimpseError):
    """A dataset, label file or truth file cannot be used."""
