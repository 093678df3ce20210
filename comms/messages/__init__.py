"""What stations send: sizes in bytes, fragments, when awareness messages (CAM) and perceived objects (CPM) are due."""
