"""The technician's tool: provision, check, repair and collect recorders over the cable."""
