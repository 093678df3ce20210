"""The links between stations: neighbours, obstacles, path loss, blockage, shadowing and received power."""
