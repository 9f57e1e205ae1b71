"""What a technician's session runs on the board. Imported over the cable only: it costs the
resident program nothing."""
