"""The strategies that come with raynas: ordinary plug-ins, one file each, with no privileges."""
