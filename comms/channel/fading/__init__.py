"""Models of the fading from packet to packet, one per file; their interface is in `model`."""

from v2xsim.comms.channel.fading.model import Fading, FadingView

__all__ = ["Fading", "FadingView"]
