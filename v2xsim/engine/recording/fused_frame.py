"""One ego frame after fusion, with all data that the recording of the run needs."""

from dataclasses import dataclass
from functools import cached_property

from v2xsim.engine.cooperation.blind_zone import BlindZone
from v2xsim.engine.cooperation.cooperation import Contribution
from v2xsim.engine.cooperation.fusing import Fused
from v2xsim.engine.cooperation.transfers import Transfer
from v2xsim.engine.stations.capture import Capture
from v2xsim.engine.stations.frame import Frame
from v2xsim.evaluation.evaluator import EgoFrame
from v2xsim.evaluation.scene import Scene
from v2xsim.perception.tracking.tracker import Tracks
from v2xsim.records import Boxes, Detections


@dataclass(frozen=True)
class FusedFrame:
    """An ego's frame before and after fusion, and the truth behind it.

    Attributes:
        ego: The ego's own frame, before fusion.
        capture: The truth behind that frame.
        fuse_us: Time of the fusion.
        result: The frame after fusion.
        contributions: Data of helpers that was fused.
        transfers: Requests for this frame and the answers to them.
        known: Number of stations that the ego knows from announcements.
        announced: Vehicles that the ego knows from announcements.
        own_tracks: The ego's tracks from its own detections alone.
        blind_zone: Cells that the ego's own lidars did not see.
    """

    ego: Frame
    capture: Capture
    fuse_us: int
    result: Fused
    contributions: list[Contribution]
    transfers: list[Transfer]
    known: int
    announced: Detections
    own_tracks: Tracks
    blind_zone: BlindZone

    @cached_property
    def apparent(self) -> Boxes:
        """True bodies of road users, shifted by the error of the ego's pose: the places where the ego would see them."""
        return self.capture.apparent

    @cached_property
    def scene(self) -> Scene:
        """The truth around the ego, in the form that the evaluation takes."""
        ego, capture, snapshot = self.ego, self.capture, self.capture.snapshot
        return Scene(
            ego.agent, ego.time_us, capture.pose[:2], ego.pose[:2], ego.velocity_mps,
            snapshot.agent, snapshot.boxes, self.apparent, snapshot.velocity_mps, capture.points,
        )  # fmt: skip

    @cached_property
    def ego_frame(self) -> EgoFrame:
        """The part of the frame that the evaluation takes."""
        return EgoFrame(
            self.scene, self.ego.detections, self.own_tracks, self.result.detections, self.announced, self.result.points
        )
