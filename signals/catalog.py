"""Finds plug-ins by looking in a folder: the folder is the list."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType, ModuleType
from typing import Protocol, TypeVar

from signals.errors import CatalogError


class Named(Protocol):
    """What every plug-in has: a name, equal to its file's."""

    @property
    def name(self) -> str:
        """The plug-in's name."""


T = TypeVar("T", bound=Named)


def load(package: ModuleType, kind: type[T]) -> Mapping[str, T]:
    """Return the plug-ins of one folder by name.

    Raises:
        CatalogError: a file does not hold exactly one plug-in of `kind`, named after the file.
    """
    found: dict[str, T] = {}
    for module in iter_modules(package.__path__):
        members = vars(import_module(f"{package.__name__}.{module.name}")).values()
        plugins = [member for member in members if isinstance(member, kind)]
        if [plugin.name for plugin in plugins] != [module.name]:
            raise CatalogError(
                f"{package.__name__}.{module.name} must hold one {kind.__name__} named {module.name!r}"
            )
        found[module.name] = plugins[0]
    return MappingProxyType(found)
