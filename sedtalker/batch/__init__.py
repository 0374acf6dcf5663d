"""Folders of recordings: many files animated by several processes, resumed, and summed up in a report."""
