"""The stations of a run: which vehicles are stations, and what each one knows of itself, receives and senses."""
