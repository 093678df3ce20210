"""Recording of a run into its result tables. It reads the truth and every station's knowledge, and changes neither."""
