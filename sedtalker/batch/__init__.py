"""Folders of recordings: many files animated by processes or by a Ray cluster, resumed, and summed up in a report."""
