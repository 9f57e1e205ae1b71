"""The virtual recorder's world on the host: its board, its code, its audio, its proof."""
