"""Models of the fading from packet to packet, one a file; `model` says what a model is."""

from v2xsim.comms.channel.fading.model import Fading, FadingView

__all__ = ["Fading", "FadingView"]
