"""Shows, warns and commands: pages and routes over the files of a desk."""
