"""Messages that are signed or hashed and have gained fields since: what an older version signed still verifies.

A field that came later is left out of the bytes while it holds its default, as if it had never been there.
"""

from typing import Any, ClassVar

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer


class Grown(BaseModel, frozen=True):
    """A message whose `LATER` fields are written only where they say something."""

    LATER: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        body: dict[str, Any] = handler(self)
        fields = type(self).model_fields
        silent = {name for name in self.LATER if getattr(self, name) == fields[name].default}
        return {name: value for name, value in body.items() if name not in silent}
