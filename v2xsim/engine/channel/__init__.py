"""Links of a tick (`links`), and how messages get from station to station over the radio (`radio`, or `air` without one)."""
