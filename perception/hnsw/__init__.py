"""HNSW: an index of vectors that finds near neighbours in about logarithmic time, with the methods of hnswlib.

`Index` is the approximate index. `BFIndex` compares a query with all vectors and answers exactly. Importing the package
does not compile any code.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from v2xsim.perception.hnsw.exact import BFIndex
    from v2xsim.perception.hnsw.index import Index

__all__ = ["BFIndex", "Index"]


def __getattr__(name: str) -> Any:
    if name == "Index":
        from v2xsim.perception.hnsw.index import Index

        return Index
    if name == "BFIndex":
        from v2xsim.perception.hnsw.exact import BFIndex

        return BFIndex
    raise AttributeError(f"module 'v2xsim.perception.hnsw' has no attribute {name!r}")
