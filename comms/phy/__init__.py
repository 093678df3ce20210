"""The physical layer: noise, airtime, error rate over the SINR, sidelink."""
