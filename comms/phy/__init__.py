"""The physical layer: time on the air, noise, error rate over signal to noise and interference."""
