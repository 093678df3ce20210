"""Models of the loss behind buildings, one per file; their interface is in `model`."""

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView

__all__ = ["BuildingLoss", "BuildingLossView"]
