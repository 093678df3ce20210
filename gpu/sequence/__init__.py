"""Sequence models on one interface: HGRN, Block Transformer, cross-layer sharing, SkipDecode, SharedLLM, and plain baselines."""
