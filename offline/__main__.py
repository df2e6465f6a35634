"""`python -m offline` is `glimpse-offline`."""

from realtime.start import start


def main() -> int:
    """Run `glimpse-offline`; gives the exit code."""
    return start("offline.cli", "glimpse-offline")


if __name__ == "__main__":
    raise SystemExit(main())
