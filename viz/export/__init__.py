"""Export of data as files for other programs."""
