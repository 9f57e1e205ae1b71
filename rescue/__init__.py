"""The program of last resort: delivers what waits when the full program cannot run.

It lies beside the releases, not in one, and shares only formats with them. What it imports from
here must load in a small heap, and nothing of it may import device/.
"""
