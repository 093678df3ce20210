"""Models of the fading from packet to packet, one a file; the interface is in `model`."""

from v2xsim.comms.channel.fading.model import Fading, FadingView

__all__ = ["Fading", "FadingView"]
