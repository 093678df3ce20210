"""The links between stations: neighbours, obstacles, path loss, blockage, shadowing, received power."""
