"""The physical layer: noise, time on the air, error rate over the SINR, sidelink."""
