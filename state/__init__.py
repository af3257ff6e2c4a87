"""What the daemon and the cockpit share: the records and files of a desk's folder, and the light."""
