"""What a station makes of its points and of other stations' data: functions of arrays, with no clock and no files.

Detections from points (`visibility`), the bird's-eye grid of what was observed (`matrix`), whom to ask for the rest
(`matching`), boxes and their overlap (`boxes`), tracks without true identities (`tracking`), and the figures that
judge them (`average_precision`, `awareness`).
"""

__all__ = ["average_precision", "awareness", "boxes", "matching", "matrix", "tracking", "visibility"]
