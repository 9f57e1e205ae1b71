"""Labels of provisioned boards on sheets: label in large letters, serial number, QR code.

A sheet is A4 with 3 x 7 labels of 63.5 x 38.1 mm, as Avery L7160 and others have it; a hairline
shows where to cut plain paper. The QR code holds label and serial number, a line each, and nothing
that is secret.
"""

import dataclasses
import html
import pathlib

import segno
from PIL import Image, ImageDraw, ImageFont

from tools.recorder.errors import ToolError, UsageError

COLUMNS, ROWS = 3, 7
ENDINGS = (".pdf", ".png", ".svg")
_PAGE_MM = (210.0, 297.0)
_LABEL_MM = (63.5, 38.1)
_FIRST_MM = (7.25, 15.15)
_PITCH_MM = (66.0, 38.1)
_PAD_MM = 3.0
_QR_MM = 26.0
_NAME_MM, _SMALL_MM = 5.5, 3.0  # heights of letters
_DPI = 300
_GREY = 190


@dataclasses.dataclass(frozen=True)
class Label:
    """date: of the record, as on the label; text only."""

    label: str
    board: str
    date: str


def labels_of(results: dict[str, dict]) -> list[Label]:
    """The boards of a record (record.results) that were written and compared, by label."""
    good = [line for line in results.values() if line["state"] in ("done", "unproved")]
    found = [Label(line["label"], line["board"], line["at"][:10]) for line in good]
    return sorted(found, key=lambda label: label.label)


def write(labels: list[Label], path: pathlib.Path) -> list[pathlib.Path]:
    """Write sheets; returns the files: PDF is one, PNG and SVG one a sheet. Raises ToolError."""
    if path.suffix not in ENDINGS:
        raise UsageError(f"{path}: a sheet of labels ends in {', '.join(ENDINGS)}.")
    size = COLUMNS * ROWS
    sheets = [labels[start : start + size] for start in range(0, len(labels), size)]
    try:
        if path.suffix == ".pdf":
            pages = [_picture(sheet) for sheet in sheets]
            pages[0].save(path, save_all=True, append_images=pages[1:], resolution=_DPI)
            return [path]
        files = [path] + [
            path.with_stem(f"{path.stem}-{number}") for number in range(2, len(sheets) + 1)
        ]
        for file, sheet in zip(files, sheets, strict=True):
            if path.suffix == ".png":
                _picture(sheet).save(file, dpi=(_DPI, _DPI))
            else:
                file.write_text(_svg(sheet), encoding="utf-8")
        return files
    except OSError as error:
        raise ToolError(f"{path} cannot be written: {error.strerror or error}.") from None


def qr_text(label: Label) -> str:
    return f"{label.label}\n{label.board}"


def _places(sheet: list[Label]):
    """(label, left, top) of each, in mm."""
    for number, label in enumerate(sheet):
        row, column = divmod(number, COLUMNS)
        yield label, _FIRST_MM[0] + column * _PITCH_MM[0], _FIRST_MM[1] + row * _PITCH_MM[1]


def matrix(label: Label) -> list[list[int]]:
    """Modules of the code, four light ones around it, as scanners want them."""
    code = segno.make(qr_text(label), error="m", micro=False)
    return [list(row) for row in code.matrix_iter(border=4)]


def code_place(left_mm: float, top_mm: float, modules: int) -> tuple[int, int, int]:
    """(left, top, width of a module) in pixels of the code of a label that begins there: whole
    pixels, so that every module is as wide as the next."""
    dot = _px(_QR_MM) // modules
    return _px(left_mm + _PAD_MM), _px(top_mm + _LABEL_MM[1] / 2) - dot * modules // 2, dot


def _texts(label: Label) -> list[tuple[str, float]]:
    return [(label.label, _NAME_MM), (label.board, _SMALL_MM), (label.date, _SMALL_MM)]


def _picture(sheet: list[Label]) -> Image.Image:
    image = Image.new("L", (_px(_PAGE_MM[0]), _px(_PAGE_MM[1])), 255)
    draw = ImageDraw.Draw(image)
    for label, left, top in _places(sheet):
        right, bottom = left + _LABEL_MM[0], top + _LABEL_MM[1]
        draw.rectangle([_px(left), _px(top), _px(right), _px(bottom)], outline=_GREY)
        modules = matrix(label)
        code_left, code_top, dot = code_place(left, top, len(modules))
        for y, row in enumerate(modules):
            for x, is_dark in enumerate(row):
                if is_dark:
                    corner = (code_left + x * dot, code_top + y * dot)
                    draw.rectangle([*corner, corner[0] + dot - 1, corner[1] + dot - 1], fill=0)
        text_left = left + _PAD_MM + _QR_MM + 1
        baseline = top + _LABEL_MM[1] / 2 - 1
        for text, height in _texts(label):
            font = _font(text, height, right - _PAD_MM - text_left)
            draw.text((_px(text_left), _px(baseline)), text, fill=0, font=font, anchor="ls")
            baseline += height + 3
    return image


def _font(text: str, height_mm: float, width_mm: float):
    """As high as asked for, or as high as the width allows."""
    size = _px(height_mm)
    font = ImageFont.load_default(size)
    length = font.getlength(text)
    return (
        font if length <= _px(width_mm) else font.font_variant(size=size * _px(width_mm) / length)
    )


def _svg(sheet: list[Label]) -> str:
    width, height = _PAGE_MM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}mm" height="{height}mm" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif">'
    ]
    for label, left, top in _places(sheet):
        parts.append(
            f'<rect x="{left}" y="{top}" width="{_LABEL_MM[0]}" height="{_LABEL_MM[1]}" '
            f'fill="none" stroke="rgb({_GREY},{_GREY},{_GREY})" stroke-width="0.1"/>'
        )
        modules = matrix(label)
        dot = _QR_MM / len(modules)
        code_top = top + (_LABEL_MM[1] - _QR_MM) / 2
        path = "".join(
            f"M{x} {y}h1v1h-1z"
            for y, row in enumerate(modules)
            for x, is_dark in enumerate(row)
            if is_dark
        )
        parts.append(
            f'<path transform="translate({left + _PAD_MM:.3f} {code_top:.3f}) scale({dot:.5f})" '
            f'd="{path}"/>'
        )
        text_left = left + _PAD_MM + _QR_MM + 1
        room = left + _LABEL_MM[0] - _PAD_MM - text_left
        baseline = top + _LABEL_MM[1] / 2 - 1
        for text, size in _texts(label):
            # A letter of a sans-serif is about 0.6 of its height wide.
            fitted = min(size, room / (0.6 * max(1, len(text))))
            parts.append(
                f'<text x="{text_left:.2f}" y="{baseline:.2f}" font-size="{fitted:.2f}">'
                f"{html.escape(text)}</text>"
            )
            baseline += size + 3
    return "\n".join([*parts, "</svg>"]) + "\n"


def _px(mm: float) -> int:
    return round(mm * _DPI / 25.4)
