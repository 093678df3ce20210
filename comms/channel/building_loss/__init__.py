"""Models of the loss behind buildings, one a file; the interface is in `model`."""

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView

__all__ = ["BuildingLoss", "BuildingLossView"]
