"""Fragmentation of a message into packets.

The effect of a lost packet depends on its message. A packet to one station is sent again while its acknowledgement is
missing, at most `radio.retries` times (`v2xsim.engine.channel.radio`). A broadcast message is lost if one of its
packets is lost. Of an answer to a request, the packets that arrived are used (`v2xsim.engine.cooperation.collecting`).
"""


def fragment_sizes(payload_bytes: int, mtu_bytes: int, header_bytes: int) -> list[int]:
    """Return the size in bytes of each packet of a message, header included.

    All packets but the last are full. An empty message becomes one packet that consists of the header only.

    Args:
        payload_bytes: Size of the message, at least 0.
        mtu_bytes: Largest payload of one packet, at least 1.
        header_bytes: Size of the header of each packet, at least 0.
    """
    if payload_bytes < 0 or mtu_bytes < 1 or header_bytes < 0:
        raise ValueError(
            f"a message needs payload >= 0, mtu >= 1 and header >= 0 bytes; "
            f"got {payload_bytes}, {mtu_bytes} and {header_bytes}"
        )
    count = max(1, -(-payload_bytes // mtu_bytes))
    return [mtu_bytes + header_bytes] * (count - 1) + [payload_bytes - (count - 1) * mtu_bytes + header_bytes]
