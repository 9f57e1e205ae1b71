"""Runs viper source on CPython with integers that refuse to leave 32 bits, as a board has them.

Viper's int is 64 bits wide on the unix port, so an overflow would show on the board only.
A value that crosses between viper and Python must also be a small int there (31 bits), or it
would be allocated.
"""

import operator
import types


class Overflow(AssertionError):
    """A value that a 32-bit board cannot hold."""


def _checked(v):
    if not -(1 << 31) <= v < 1 << 31:
        raise Overflow("%d needs more than 32 bits" % v)
    return Word(v)


class Word(int):
    """An int of 32 bits."""

    def __neg__(self):
        return _checked(-int(self))


def _add_operator(name, op, is_shift):
    def forward(self, other):
        if is_shift and not 0 <= other < 32:
            raise Overflow("shift by %d" % other)
        return _checked(op(int(self), int(other)))

    def reverse(self, other):
        if is_shift and not 0 <= self < 32:
            raise Overflow("shift by %d" % self)
        return _checked(op(int(other), int(self)))

    setattr(Word, "__%s__" % name, forward)
    setattr(Word, "__r%s__" % name, reverse)


for _name in "add sub mul floordiv and or xor lshift rshift".split():
    _op = getattr(operator, "__%s__" % _name)
    _add_operator(_name, _op, _name.endswith("shift"))


class _Address:
    def __init__(self, view, offset):
        self.view = view
        self.offset = offset

    def __add__(self, n):
        return _Address(self.view, self.offset + int(n))

    def __and__(self, n):
        return self.offset & n


class _Pointer:
    width = 1

    def __init__(self, target):
        if isinstance(target, _Pointer):
            target = target.address
        if not isinstance(target, _Address):
            target = _Address(memoryview(target).cast("B"), 0)
        self.address = target

    def __getitem__(self, i):
        at = self.address.offset + int(i) * self.width
        if at < 0 or at + self.width > len(self.address.view):
            raise Overflow("read at %d" % at)
        return _checked(int.from_bytes(self.address.view[at : at + self.width], "little"))

    def __setitem__(self, i, v):
        at = self.address.offset + int(i) * self.width
        if at < 0 or at + self.width > len(self.address.view):
            raise Overflow("write at %d" % at)
        if self.width == 4 and v < 0:
            raise Overflow("negative word %d" % v)
        v = int(v) & ((1 << 8 * self.width) - 1)
        self.address.view[at : at + self.width] = v.to_bytes(self.width, "little")


class _Pointer16(_Pointer):
    width = 2


class _Pointer32(_Pointer):
    width = 4


class _Int:
    """Stands for viper's int: a cast, and the annotation of a number."""

    def __call__(self, v):
        return v.address if isinstance(v, _Pointer) else _checked(int(v))


def _small(v):
    if not -(1 << 30) <= v < 1 << 30:
        raise Overflow("%d is no small int" % v)
    return Word(v)


def _viper(function):
    kinds = function.__annotations__
    names = function.__code__.co_varnames[: function.__code__.co_argcount]
    casts = [_small if isinstance(kinds[n], _Int) else kinds[n] for n in names]

    def call(*args):
        assert len(args) == len(casts)
        result = function(*[cast(a) for cast, a in zip(casts, args, strict=True)])
        return None if result is None else int(_small(result))

    return call


def load(path):
    """Return the viper module at path, made of checked functions."""
    fake = types.ModuleType("micropython")
    fake.viper = _viper
    fake.const = lambda v: v
    source = path.read_text().replace("import micropython\n", "", 1)
    source = source.replace("from micropython import const\n", "", 1)
    module = types.ModuleType(path.stem)
    module.__dict__.update(
        micropython=fake,
        const=fake.const,
        int=_Int(),
        ptr8=_Pointer,
        ptr16=_Pointer16,
        ptr32=_Pointer32,
    )
    exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102
    return module
