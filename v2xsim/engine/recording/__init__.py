"""Recording of a run: what becomes rows of its tables. It reads the truth and every station's knowledge, and changes neither."""
