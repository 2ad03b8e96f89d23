# pyarrow is compiled: a type checker sees only part of it.
from typing import Any

def __getattr__(name: str) -> Any: ...
