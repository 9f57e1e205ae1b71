# What a board's start-up does: boot.py, then main.py, each as the main program.
import sys

code = sys.argv[1]
if code not in sys.path:
    sys.path.insert(0, code)
for name in ("boot.py", "main.py"):
    with open(code + "/" + name) as f:
        text = f.read()
    exec(text, {"__name__": "__main__"})
