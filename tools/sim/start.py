# What a board's start-up does: boot.py, then main.py, each as the main program.
import sys

code = sys.argv[1]
if code not in sys.path:
    sys.path.insert(0, code)
for name in ("boot.py", "main.py"):
    # Nothing of the text stays in the heap, as on a board, which reads it from the file.
    with open(code + "/" + name) as f:
        program = compile(f.read(), name, "exec")
    program = exec(program, {"__name__": "__main__"})
