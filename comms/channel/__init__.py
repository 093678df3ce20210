"""The links between stations: who is near, what stands in the way, path loss, blockage, shadowing, received power."""
