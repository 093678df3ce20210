"""Path-loss models, one a file; `model` says what a model is."""

from v2xsim.comms.channel.path_loss.model import PathLoss, PathLossView

__all__ = ["PathLoss", "PathLossView"]
