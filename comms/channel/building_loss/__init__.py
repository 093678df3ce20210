"""Models of the loss behind buildings, one a file; `model` says what a model is."""

from v2xsim.comms.channel.building_loss.model import BuildingLoss, BuildingLossView

__all__ = ["BuildingLoss", "BuildingLossView"]
