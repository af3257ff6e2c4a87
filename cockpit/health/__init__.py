"""The Health page: what runs, how well, and since when; measured here, drawn by the pages."""
