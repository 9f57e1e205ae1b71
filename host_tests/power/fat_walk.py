"""Walks a FAT12/16 volume without the driver: which clusters belong to whom.

Runs on MicroPython and CPython. Layout: Microsoft, "FAT: General Overview of On-Disk Format",
1.03, 2000. Long-name entries and the volume label own no cluster.
"""

_ENTRY_BYTES = 32
_FOLDER, _LABEL = 0x10, 0x08


class Volume:
    """data: a buffer that holds the whole volume, boot sector first."""

    def __init__(self, data):
        def word(at):
            return data[at] | data[at + 1] << 8

        self._data = data
        if word(510) != 0xAA55 or word(11) != 512:
            raise ValueError("no FAT volume")
        self._cluster_bytes = 512 * data[13]
        self._fat_at = 512 * word(14)
        self._root_at = self._fat_at + 512 * data[16] * word(22)
        self._root_bytes = _ENTRY_BYTES * word(17)
        self._data_at = self._root_at + self._root_bytes
        sectors = word(19) or word(32) | word(34) << 16
        self.clusters = (512 * sectors - self._data_at) // self._cluster_bytes
        self._is_12 = self.clusters < 4085
        self._ends = 0xFF8 if self._is_12 else 0xFFF8
        self.faults = []
        self._owners = {}

    def entry(self, cluster):
        """What the table says of a cluster: 0 free, else the next one or an end mark."""
        data = self._data
        if not self._is_12:
            at = self._fat_at + 2 * cluster
            return data[at] | data[at + 1] << 8
        at = self._fat_at + cluster + cluster // 2
        pair = data[at] | data[at + 1] << 8
        return pair >> 4 if cluster & 1 else pair & 0xFFF

    def walk(self):
        """Follow every entry of every folder; returns (faults, clusters that nobody owns)."""
        self._folder(self._root_at, self._root_bytes, "")
        lost = 0
        for cluster in range(2, self.clusters + 2):
            if self.entry(cluster) and cluster not in self._owners:
                lost += 1
        return self.faults, lost

    def _chain(self, first, owner):
        chain = []
        cluster = first
        while 2 <= cluster < self.clusters + 2:
            other = self._owners.get(cluster)
            if other is not None:
                self.faults.append("cluster %d belongs to %s and %s" % (cluster, other, owner))
                return chain
            self._owners[cluster] = owner
            chain.append(cluster)
            cluster = self.entry(cluster)
            if cluster == 0:
                self.faults.append("%s goes on in a free cluster" % owner)
        if first and cluster and cluster < self._ends:
            self.faults.append("%s leaves the volume" % owner)
        return chain

    def _folder(self, at, size_bytes, path):
        data = self._data
        for place in range(at, at + size_bytes, _ENTRY_BYTES):
            mark = data[place]
            if mark == 0:
                return True
            attributes = data[place + 11]
            if mark in (0xE5, 0x2E) or attributes & _LABEL:
                continue
            name = path + "/" + bytes(data[place : place + 11]).decode("latin-1")
            first = data[place + 26] | data[place + 27] << 8
            size = sum(data[place + 28 + n] << 8 * n for n in range(4))
            chain = self._chain(first, name)
            if attributes & _FOLDER:
                for cluster in chain:
                    start = self._data_at + (cluster - 2) * self._cluster_bytes
                    if self._folder(start, self._cluster_bytes, name):
                        break
            elif size > len(chain) * self._cluster_bytes:
                self.faults.append("%s has %d bytes in %d clusters" % (name, size, len(chain)))
        return False
