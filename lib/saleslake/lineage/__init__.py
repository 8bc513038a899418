"""OpenLineage events: which job read what and wrote what."""
