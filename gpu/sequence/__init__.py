"""Sequence models with one interface.

HGRN, Block Transformer, KV sharing between layers, SkipDecode, SharedLLM, and plain baselines.
"""
