"""Read-only views of a run at one instant: the true world, what a station knows, and the fused frame of an ego.

A view never changes: it stays what it was when the simulation goes on, and writing into its arrays raises an error. Its arrays are
copies, most of them made when they are first read.
"""

from v2xsim.views.knowledge import FrameView, FusedView, KnowledgeView
from v2xsim.views.messages import LostMessage, ReceivedMessage
from v2xsim.views.truth import InstantView

__all__ = ["FrameView", "FusedView", "InstantView", "KnowledgeView", "LostMessage", "ReceivedMessage"]
