"""Content as editors see it: the table of sources, the check of the topic files, and the preview."""
