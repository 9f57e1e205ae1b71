// Runs memory_board.py's imports in the Node build of MicroPython, whose words are 4 bytes wide as
// on the board. Arguments: micropython.mjs, the built tree, the file of module names, the script.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [moduleFile, code, names, script] = process.argv.slice(2);
const { loadMicroPython } = await import(pathToFileURL(path.resolve(moduleFile)));
const lines = [];
const mp = await loadMicroPython({
  heapsize: 4 * 1024 * 1024,
  stdout: (line) => lines.push(line),
  linebuffer: true,
});

function copy(from, to) {
  if (fs.statSync(from).isDirectory()) {
    mp.FS.mkdir(to);
    for (const name of fs.readdirSync(from)) copy(path.join(from, name), to + "/" + name);
  } else {
    mp.FS.writeFile(to, fs.readFileSync(from));
  }
}

copy(code, "/code");
mp.FS.writeFile("/names.txt", fs.readFileSync(names));
mp.FS.writeFile("/memory_board.py", fs.readFileSync(script));
// What this build lacks, as names alone: it has no sockets, and its asyncio is the browser's.
mp.runPython(`
import asyncio, sys

class Absent: pass

for name in ("socket", "ssl", "vfs", "machine"):
    sys.modules[name] = Absent
for name in ("ThreadSafeFlag", "Event", "Lock", "open_connection"):
    if not hasattr(asyncio, name):
        setattr(asyncio, name, Absent)
with open("/memory_board.py") as f:
    exec(f.read(), {"WORDS": ["imports", "/code", "/names.txt"]})
`);
console.log(lines[lines.length - 1]);
