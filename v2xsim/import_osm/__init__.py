"""Turn an OpenStreetMap extract into roads, buildings, traffic and a scenario that runs."""

from v2xsim.import_osm.extract import OsmImportError
from v2xsim.import_osm.town import import_osm

__all__ = ["OsmImportError", "import_osm"]
