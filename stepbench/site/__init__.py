"""A board as a folder of plain pages that needs no server and asks for nothing from any network."""

from stepbench.site.export import Exported, export_site

__all__ = ["Exported", "export_site"]
