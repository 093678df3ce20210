"""Messages between stations: sizes in bytes, fragments, and when CAM and CPM are sent."""
