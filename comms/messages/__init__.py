"""Messages between stations: their sizes in bytes, their fragments, and the rules for sending CAM and CPM."""
