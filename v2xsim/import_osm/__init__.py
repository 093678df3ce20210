"""From an OpenStreetMap extract to roads, buildings, traffic and a scenario that runs."""

from v2xsim.import_osm.town import OsmImportError, import_osm

__all__ = ["OsmImportError", "import_osm"]
