"""The command line: one module for each command. A module imports heavy libraries only when its command runs."""
