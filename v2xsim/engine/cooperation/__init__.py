"""Announce, match, ask, answer, relay, fuse."""
