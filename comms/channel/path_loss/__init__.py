"""Path-loss models, one a file; the interface is in `model`."""

from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView

__all__ = ["PathLoss", "PathLossView"]
