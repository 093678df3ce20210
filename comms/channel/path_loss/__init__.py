"""Path-loss models, one per file; their interface is in `model`."""

from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView

__all__ = ["PathLoss", "PathLossView"]
