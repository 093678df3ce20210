"""Sizes of messages in bytes.

A size is that of the message itself, without the headers of lower layers. Every packet that carries the message adds
PACKET_HEADER_BYTES, and the MAC adds its own header (comms/phy/airtime.py).
"""

import numpy as np
from jaxtyping import Bool, UInt8

from v2xsim.comms.messages.request_cells import RequestCoding, encoded

# GeoNetworking basic header 4, common header 8, single-hop broadcast header 28 (EN 302 636-4-1);
# BTP-B 4 (EN 302 636-5-1). The last 4 bytes of the single-hop broadcast header carry the busy ratio that the sender measured
# (TS 102 636-4-2; the field is in the public code of ms-van3t and Vanetza).
NETWORK_HEADER_BYTES = 44

# Signed message with the certificate's digest instead of the certificate (TS 103 097): envelope about 30, ECDSA P-256
# signature 66. This is an assumption: measured envelopes have 96 to 200 bytes, with a certificate in every tenth
# message.
SECURITY_BYTES = 96

PACKET_HEADER_BYTES = NETWORK_HEADER_BYTES + SECURITY_BYTES

# The smallest CAM in the traces of the CAR 2 CAR Communication Consortium has 200 B on the network (github
# msepulcre/CAM-model); our own packet header is subtracted. The message contains identity, pose, speed, acceleration,
# yaw rate and body size. A CAM has no height of the body; we count it among these bytes.
AWARENESS_BASE_BYTES = 200 - PACKET_HEADER_BYTES
ANTENNA_HEIGHT_BYTES = 1

# Number of the announcement among those of its sender, from which receivers count lost ones: our own field. Its highest bit
# says whether the sender wants data of others.
SEQUENCE_BYTES = 2

# For each neighbour in the list: 4 bytes of station id, 1 byte of signal-to-noise ratio in steps of 0.5 dB, and 1 byte for
# the share of the neighbour's announcements that arrive. This is our own field, for the choice of relays.
NEIGHBOUR_BYTES = 6

# Lower corner as two whole-cell offsets of 2 from the sender's cell, cell side of 1, side lengths of 1: our own field.
MATRIX_HEADER_BYTES = 7
MATRIX_CELL_BITS = 2
# Run-length form: one byte holds a code (2 bits) and a length of 1 to 64 (6 bits).
MATRIX_LONGEST_RUN = 64

# Requester, helper and frame ids of 4 bytes each, largest payload of the answer of 2, resolution of 1, matrix corner and
# side of 7: our own field.
REQUEST_HEADER_BYTES = 22

# Final receiver of 4 bytes, original sender of 4, time to live of 2: our own field, in front of a message that a relay
# forwards.
RELAY_HEADER_BYTES = 10
# For each further station that must forward, its id: our own field.
RELAY_ADDRESS_BYTES = 4

# Collective perception message in ETSI's ASN.1 (TS 103 324 V2.1.1), encoded in UPER: base, and an object with the
# typical fields. Computed with asn1tools.
CPM_BASE_BYTES = 37
CPM_OBJECT_BYTES = 27.9
CPM_SENSOR_BYTES = 26.0 / 3.0

# For an object that another station detected: id of that station of 4 bytes, its number of the object of 2, and how often it was
# told on of 1. The time of the measurement is among the typical fields. Our own field: the standard knows no objects of others.
CPM_SOURCE_BYTES = 7

# Coordinates in the sender's frame as three 16-bit numbers in steps of 1 cm, after 6 bytes of capture time, 2 bytes
# for the id of the request and 16 bytes of pose.
POINT_BYTES = 6
POINTS_HEADER_BYTES = 24

# A return as lidar drivers and data sets store it (KITTI): three coordinates and intensity, 4 bytes each.
RAW_POINT_BYTES = 16


def awareness_bytes(matrix_bytes: int, neighbours: int) -> int:
    """Return the size in bytes of a periodic awareness message.

    The message contains identity and pose, the perception matrix, and the list of neighbours.

    Args:
        matrix_bytes: Size of the perception matrix in the message (from `matrix_bytes` or `encoded_matrix_bytes`); 0
            without a matrix.
        neighbours: Number of stations in the list of neighbours.
    """
    return AWARENESS_BASE_BYTES + ANTENNA_HEIGHT_BYTES + SEQUENCE_BYTES + matrix_bytes + NEIGHBOUR_BYTES * neighbours


def matrix_bytes(cells: int) -> int:
    """Return the size in bytes of a perception matrix sent cell by cell: 625 bytes plus a header for 50 x 50 cells."""
    return MATRIX_HEADER_BYTES + -(-cells * MATRIX_CELL_BITS // 8)


def encoded_matrix_bytes(code: UInt8[np.ndarray, "nx ny"]) -> int:
    """Return the size in bytes of a perception matrix sent as runs of equal cells, or cell by cell if that is shorter.

    A station alone observes only a small part of its matrix, so most of the matrix consists of long runs of unobserved
    cells.
    """
    # Imported here, so that a scenario can be checked without loading compiled code.
    from v2xsim.comms.messages.matrix_runs import run_count

    return min(MATRIX_HEADER_BYTES + run_count(code, MATRIX_LONGEST_RUN), matrix_bytes(code.size))


def request_bytes(cells: int) -> int:
    """Return the size in bytes of a fusion request in form `bits`: a header and one bit per cell of the requester's matrix."""
    return REQUEST_HEADER_BYTES + -(-cells // 8)


def coded_request_bytes(cells: Bool[np.ndarray, "nx ny"], coding: RequestCoding) -> int:
    """Return the size in bytes of a fusion request for some cells: a header and the cells as they are sent.

    Args:
        cells: Whether each cell of the requester's matrix is wanted.
        coding: Form of the request.
    """
    return REQUEST_HEADER_BYTES + len(encoded(cells, coding))


def boxes_bytes(objects: int) -> int:
    """Return the size in bytes of a message with detected objects, encoded as a collective perception message."""
    return int(np.ceil(CPM_BASE_BYTES + CPM_OBJECT_BYTES * objects))


def cpm_bytes(objects: int, sensors: int) -> int:
    """Return the size in bytes of a collective perception message with given numbers of objects and sensor descriptions."""
    return int(np.ceil(CPM_BASE_BYTES + CPM_OBJECT_BYTES * objects + CPM_SENSOR_BYTES * sensors))


def retold_bytes(objects: int) -> int:
    """Return the size in bytes of a message with a given number of objects that other stations reported."""
    return int(np.ceil(CPM_BASE_BYTES + (CPM_OBJECT_BYTES + CPM_SOURCE_BYTES) * objects))


def points_bytes(points: int) -> int:
    """Return the size in bytes of a message with a given number of lidar points."""
    return POINTS_HEADER_BYTES + POINT_BYTES * points
