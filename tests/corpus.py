"""Odd, damaged and hostile picture files, built in code.

`corpus()` maps a file name to its bytes and what to expect of them. Every test that opens files
(library, command line, server) can run over it: an "ok" case gives a picture, an "error" case one
`ImageError` whose message contains `says`.
"""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

WIDTH, HEIGHT = 48, 32
RED, GREEN, BLUE, GREY = (200, 30, 30), (30, 160, 60), (40, 60, 190), (128, 128, 128)


@dataclass(frozen=True)
class Case:
    """One file: its bytes, whether it opens, and for an error a part of the message."""

    data: bytes
    expect: Literal["ok", "error"]
    says: str = ""


def scene() -> Image.Image:
    """48 x 32, a colour in each quadrant: red green / blue grey. No turn or flip maps it to itself."""
    image = Image.new("RGB", (WIDTH, HEIGHT), RED)
    image.paste(GREEN, (WIDTH // 2, 0, WIDTH, HEIGHT // 2))
    image.paste(BLUE, (0, HEIGHT // 2, WIDTH // 2, HEIGHT))
    image.paste(GREY, (WIDTH // 2, HEIGHT // 2, WIDTH, HEIGHT))
    return image


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """`image` as the bytes of a file of `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noisy(width: int = 160, height: int = 120) -> Image.Image:
    """A picture that does not compress, so that cutting its file cuts pixels."""
    return Image.fromarray(np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8))


def exif(orientation: int) -> bytes:
    """A minimal EXIF block that holds only an orientation."""
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags.tobytes()


def turned(orientation: int) -> Image.Image:
    """The scene as a camera would store it under EXIF `orientation`: the inverse of what a viewer does."""
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    return scene() if undo is None else scene().transpose(undo)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    width: int,
    height: int,
    rows: bytes,
    *,
    depth: int = 8,
    colour: int = 2,
    interlace: int = 0,
    before: bytes = b"",
    end: bool = True,
) -> bytes:
    """A PNG by hand: `rows` are the filtered rows, `before` are chunks that precede IDAT."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    data = png_chunk(b"IDAT", zlib.compress(rows, 9)) if rows else b""
    tail = png_chunk(b"IEND", b"") if end else b""
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + before + data + tail


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    """`data` with the bytes at `offset` replaced."""
    return data[:offset] + new + data[offset + len(new) :]


def jpeg_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with one more segment behind its first two bytes."""
    return data[:2] + bytes((0xFF, marker)) + struct.pack(">H", len(body) + 2) + body + data[2:]


def tiff(tags: list[tuple[int, int, int, int]], tail: bytes = b"", next_ifd: int = 0) -> bytes:
    """A little-endian TIFF: one directory of (tag, type, count, value) at 8, then `tail`."""
    body = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + struct.pack("<I", next_ifd) + tail


def _grey_tiff(width: int, height: int, strip: int, tail: bytes, **more: int) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: strip, 277: 1, 278: height}
    tags |= {279: width * height} | {int(key[1:]): value for key, value in more.items() if key != "next_ifd"}
    return tiff([(tag, 4, 1, value) for tag, value in tags.items()], tail, more.get("next_ifd", 0))


def _ok(data: bytes) -> Case:
    return Case(data, "ok")


def _bad(data: bytes, says: str = "") -> Case:
    return Case(data, "error", says)


def _jpegs() -> dict[str, Case]:
    plain = encoded(scene(), "JPEG", quality=95, subsampling=0)
    rough = encoded(noisy(), "JPEG", quality=90)
    size_at = plain.index(b"\xff\xc0") + 5  # height and width in the frame header
    scan = plain[plain.index(b"\xff\xda") : -2]
    phone = io.BytesIO()
    scene().save(phone, "MPO", save_all=True, append_images=[noisy()])
    cases = {
        f"jpeg_exif_{n}.jpg": _ok(encoded(turned(n), "JPEG", quality=95, subsampling=0, exif=exif(n)))
        for n in range(1, 9)
    }
    loop = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0"
    return cases | {
        "jpeg.jpg": _ok(plain),
        "jpeg_grey.jpg": _ok(encoded(scene().convert("L"), "JPEG")),
        "jpeg_progressive.jpg": _ok(encoded(noisy(), "JPEG", progressive=True)),
        "jpeg_cmyk.jpg": _ok(encoded(scene().convert("CMYK"), "JPEG", quality=95)),
        "jpeg_mpo.jpg": _ok(phone.getvalue()),
        "jpeg_one_pixel.jpg": _ok(encoded(Image.new("RGB", (1, 1), RED), "JPEG")),
        "jpeg_exif_9.jpg": _ok(encoded(scene(), "JPEG", exif=exif(9))),
        "jpeg_exif_garbage.jpg": _ok(jpeg_segment(plain, 0xE1, b"Exif\0\0" + bytes(range(256)))),
        "jpeg_exif_short.jpg": _ok(jpeg_segment(plain, 0xE1, b"Exif\0\0II*\0")),
        "jpeg_exif_loop.jpg": _ok(jpeg_segment(plain, 0xE1, loop)),
        "jpeg_icc_garbage.jpg": _ok(encoded(scene(), "JPEG", icc_profile=b"not a profile" * 20)),
        "jpeg_icc_lab.jpg": _ok(encoded(scene(), "JPEG", icc_profile=_profile("LAB"))),
        "jpeg_xmp_garbage.jpg": _ok(jpeg_segment(plain, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmp")),
        "jpeg_mpf_garbage.jpg": _ok(jpeg_segment(plain, 0xE2, b"MPF\0II*\0\xff\xff\xff\x7f")),
        "jpeg_junk_behind.jpg": _ok(plain + random.Random(1).randbytes(5000)),
        "jpeg_zip_polyglot.jpg": _ok(plain + b"PK\3\4" + bytes(100)),
        "jpeg_many_comments.jpg": _ok(plain[:2] + b"\xff\xfe\0\x04hi" * 5000 + plain[2:]),
        "jpeg_half.jpg": _bad(rough[: len(rough) // 2], "cut short"),
        "jpeg_last_bytes.jpg": _bad(rough[:-200], "cut short"),
        "jpeg_header.jpg": _bad(rough[:300], "cut short"),
        "jpeg_three_bytes.jpg": _bad(b"\xff\xd8\xff", "cut short"),
        "jpeg_two_bytes.jpg": _bad(b"\xff\xd8", "unknown"),
        "jpeg_no_scan.jpg": _bad(plain[: plain.index(b"\xff\xda")] + b"\xff\xd9"),
        "jpeg_zero_size.jpg": _bad(patched(plain, size_at, bytes(4)), "broken JPEG"),
        "jpeg_huge.jpg": _bad(patched(plain, size_at, b"\xff\xdc" * 2), "too large"),
        "jpeg_seven_parts.jpg": _bad(patched(plain, size_at + 4, b"\7"), "broken JPEG"),
        "jpeg_many_scans.jpg": _bad(plain[:-2] + scan * 600 + b"\xff\xd9", "too large"),
        "jpeg_in_pdf.jpg": _bad(b"%PDF-1.4\n" + plain, "PDF"),
    }


def _profile(space: Literal["LAB", "sRGB"]) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def _pngs() -> dict[str, Case]:
    plain = encoded(scene(), "PNG")
    rough = encoded(noisy(), "PNG")
    half = encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "PNG")
    flat = scene().convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    comment = PngImagePlugin.PngInfo()
    comment.add_text("Comment", "héllo")
    zeros = zlib.compress(bytes(20_000_000), 1)
    red = b"\0\xff\0\0"
    ihdr_crc, idat = 8 + 8 + 13, plain.index(b"IDAT")
    rgb16 = b"\0" + struct.pack(">HHH", 65535, 32768, 0)
    return {
        "png.png": _ok(plain),
        "png_alpha.png": _ok(half),
        "png_grey_alpha.png": _ok(encoded(Image.new("LA", (8, 8), (0, 128)), "PNG")),
        "png_grey16.png": _ok(encoded(Image.fromarray(np.full((4, 4), 32768, np.uint16)), "PNG")),
        "png_rgb16.png": _ok(png(1, 1, rgb16, depth=16)),
        "png_rgb16_clear.png": _ok(png(1, 1, rgb16, depth=16, before=png_chunk(b"tRNS", rgb16[1:]))),
        "png_grey16_clear.png": _ok(
            png(1, 1, b"\0\x12\x34", depth=16, colour=0, before=png_chunk(b"tRNS", b"\x12\x34"))
        ),
        "png_one_bit.png": _ok(encoded(scene().convert("1"), "PNG")),
        "png_palette.png": _ok(encoded(flat, "PNG")),
        "png_palette_clear.png": _ok(encoded(flat, "PNG", transparency=bytes((0, 128, 255, 255)))),
        "png_grey_clear.png": _ok(encoded(Image.new("L", (4, 4), 9), "PNG", transparency=9)),
        "png_rgb_clear.png": _ok(encoded(Image.new("RGB", (4, 4), RED), "PNG", transparency=RED)),
        "png_interlaced.png": _ok(png(1, 1, red, interlace=1)),
        "png_exif_6.png": _ok(encoded(turned(6), "PNG", exif=exif(6))),
        "png_exif_garbage.png": _ok(png(1, 1, red, before=png_chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"))),
        "png_icc_garbage.png": _ok(encoded(scene(), "PNG", icc_profile=b"?" * 200)),
        "png_icc_bomb.png": _bad(png(1, 1, red, before=png_chunk(b"iCCP", b"a\0\0" + zeros)), "broken PNG"),
        "png_text.png": _ok(encoded(scene(), "PNG", pnginfo=comment)),
        "png_animated.png": _ok(encoded(scene(), "PNG", save_all=True, append_images=[noisy(48, 32)])),
        "png_apng_garbage.png": _ok(png(1, 1, red, before=png_chunk(b"acTL", bytes(8)))),
        "png_tall.png": _ok(encoded(Image.new("L", (1, 65000), 77), "PNG")),
        "png_no_end.png": _ok(png(1, 1, red, end=False)),
        "png_crc_header.png": _bad(patched(plain, ihdr_crc, b"\0\0\0\0"), "broken PNG"),
        "png_crc_data.png": _ok(patched(plain, len(plain) - 16, b"\0\0\0\0")),  # all its pixels are there
        "png_half.png": _bad(rough[: len(rough) // 2], "cut short"),
        "png_header.png": _bad(rough[:30], "cut short"),
        "png_signature.png": _bad(rough[:8], "cut short"),
        "png_few_rows.png": _ok(png(64, 64, (b"\0" + bytes(192)) * 10)),  # Pillow leaves the rest black
        "png_no_data.png": _bad(png(4, 4, b"")),
        "png_bad_zlib.png": _bad(patched(plain, idat + 4, b"\xff" * 12), "broken PNG"),
        "png_bad_filter.png": _bad(png(1, 1, b"\x09abc"), "broken PNG"),
        "png_bad_depth.png": _bad(png(1, 1, red, depth=7), "broken PNG"),
        "png_zero_size.png": _bad(png(0, 0, red), "broken PNG"),
        "png_bomb.png": _bad(png(30000, 30000, bytes(3_000_000)), "too large"),
        "png_max_size.png": _bad(png(2**31 - 1, 2**31 - 1, red), "too large"),
        "png_no_palette.png": _ok(png(1, 1, b"\0\0", colour=3)),
        "png_text_bomb.png": _bad(png(1, 1, red, before=png_chunk(b"zTXt", b"a\0\0" + zeros)), "broken PNG"),
        "png_itext_bomb.png": _bad(
            png(1, 1, red, before=png_chunk(b"iTXt", b"a\0\1\0\0\0" + zeros)), "broken PNG"
        ),
        "png_long_chunk.png": _ok(patched(plain, idat - 4, b"\x7f\xff\xff\xff")),
        "png_then_jpeg.png": _bad(b"\x89PNG\r\n\x1a\n" + encoded(scene(), "JPEG"), "cut short"),
        "png_line_ends.png": _bad(plain.replace(b"\r\n", b"\n"), "not a supported"),
    }


def _gifs_and_webps() -> dict[str, Case]:
    frames = [scene(), noisy(48, 32)]
    still = encoded(scene(), "GIF")
    rough, webp = encoded(noisy(), "GIF"), encoded(noisy(), "WEBP")
    clear = Image.new("P", (4, 4), 0)
    clear.putpalette([0, 0, 0] * 256)
    vp8x = b"VP8X" + struct.pack("<II", 10, 0x10) + b"\xff\x3f\x00" * 2  # a canvas of 16384 x 16384
    frame = still.index(b",", 13 + 3 * 2 ** ((still[10] & 7) + 1))
    return {
        "gif.gif": _ok(still),
        "gif_animated.gif": _ok(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])),
        "gif_clear.gif": _ok(encoded(clear, "GIF", transparency=0)),
        "gif_no_frames.gif": _bad(b"GIF89a\x10\0\x10\0\0\0\0;", "broken GIF"),
        "gif_half.gif": _bad(rough[: len(rough) // 2], "cut short"),
        "gif_header.gif": _bad(rough[:10], "cut short"),
        "gif_huge_screen.gif": _bad(patched(still, 6, b"\xff" * 4), "too large"),
        "gif_huge_frame.gif": _bad(patched(still, frame + 5, b"\xff" * 4), "too large"),
        "gif_script.gif": _bad(b"GIF89a/*" + b" " * 50 + b"*/=1;alert(1)"),
        "webp.webp": _ok(webp),
        "webp_alpha.webp": _ok(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 128)), "WEBP", lossless=True)),
        "webp_animated.webp": _ok(encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:])),
        "webp_exif_8.webp": _ok(encoded(turned(8), "WEBP", lossless=True, exif=exif(8))),
        "webp_half.webp": _bad(webp[: len(webp) // 2], "cut short"),
        "webp_header.webp": _bad(webp[:20], "cut short"),
        "webp_canvas.webp": _bad(b"RIFF" + struct.pack("<I", 22) + b"WEBP" + vp8x),
        "webp_garbage.webp": _bad(patched(webp, 30, b"\xff" * 400)),
    }


def _bmps() -> dict[str, Case]:
    plain = encoded(scene(), "BMP")
    up = patched(plain, 22, struct.pack("<i", -HEIGHT))
    # 40 bytes of header, 256 colours, run-length: "48 pixels of colour 1, end of line" 32 times
    rle = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, 0, 0, 0, 256, 0)
    rle_body = rle + bytes((7, 8, 9, 0)) * 256 + b"\x30\x01\x00\x00" * HEIGHT + b"\0\1"
    whole = b"BM" + struct.pack("<IHHI", 14 + len(rle_body), 0, 0, 14 + 40 + 1024) + rle_body
    return {
        "bmp.bmp": _ok(plain),
        "bmp_top_down.bmp": _ok(up),
        "bmp_one_bit.bmp": _ok(encoded(scene().convert("1"), "BMP")),
        "bmp_rle.bmp": _ok(whole),
        "bmp_rle_bomb.bmp": _bad(patched(whole, 18, struct.pack("<ii", 9000, 9000)), "too large"),
        "bmp_huge.bmp": _bad(patched(plain, 18, struct.pack("<ii", 60000, 60000)), "too large"),
        "bmp_negative_width.bmp": _bad(patched(plain, 18, struct.pack("<i", -WIDTH)), "too large"),
        "bmp_most_negative.bmp": _bad(patched(plain, 22, struct.pack("<i", -(2**31))), "too large"),
        "bmp_zero.bmp": _bad(patched(plain, 18, bytes(8)), "broken BMP"),
        "bmp_bad_bits.bmp": _bad(patched(plain, 28, b"\x0b\0"), "broken BMP"),
        "bmp_half.bmp": _bad(plain[: len(plain) // 2], "cut short"),
        "bmp_header.bmp": _bad(plain[:20]),
        "bmp_two_bytes.bmp": _bad(b"BM"),
    }


def _tiffs() -> dict[str, Case]:
    plain, dots = encoded(scene(), "TIFF"), bytes(range(64))
    wide = Image.fromarray(np.full((4, 4), 32768, np.uint16))
    tile = {"_322": 60000, "_323": 60000, "_324": 200, "_325": 64, "_259": 8}
    return {
        "tiff.tif": _ok(plain),
        "tiff_lzw.tif": _ok(encoded(scene(), "TIFF", compression="tiff_lzw")),
        "tiff_deflate.tif": _ok(encoded(scene(), "TIFF", compression="tiff_adobe_deflate")),
        "tiff_jpeg.tif": _ok(encoded(scene(), "TIFF", compression="jpeg")),
        "tiff_fax.tif": _ok(encoded(scene().convert("1"), "TIFF", compression="group4")),
        "tiff_cmyk.tif": _ok(encoded(scene().convert("CMYK"), "TIFF")),
        "tiff_lab.tif": _ok(encoded(scene().convert("LAB"), "TIFF")),
        "tiff_grey16.tif": _ok(encoded(wide, "TIFF")),
        "tiff_int32.tif": _ok(encoded(Image.fromarray(np.full((4, 4), 32768, np.int32)), "TIFF")),
        "tiff_float.tif": _ok(encoded(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF")),
        "tiff_nan.tif": _ok(encoded(Image.fromarray(np.full((4, 4), np.nan, np.float32)), "TIFF")),
        "tiff_exif_6.tif": _ok(encoded(turned(6), "TIFF", tiffinfo={0x0112: 6})),
        "tiff_two_pages.tif": _ok(encoded(scene(), "TIFF", save_all=True, append_images=[noisy()])),
        "tiff_by_hand.tif": _ok(_grey_tiff(8, 8, 122, dots)),
        "tiff_page_loop.tif": _ok(_grey_tiff(8, 8, 122, dots, next_ifd=8)),
        "tiff_page_nowhere.tif": _ok(_grey_tiff(8, 8, 122, dots, next_ifd=2**31)),
        "tiff_strip_nowhere.tif": _bad(_grey_tiff(8, 8, 2**31, dots)),
        "tiff_strip_short.tif": _bad(_grey_tiff(800, 800, 122, dots), "cut short"),
        "tiff_directory_nowhere.tif": _bad(b"II*\0\xff\xff\xff\x7f" + bytes(64), "cut short"),
        "tiff_directory_in_header.tif": _bad(b"II*\0\0\0\0\0" + bytes(64)),
        "tiff_no_tags.tif": _bad(tiff([])),
        "tiff_endless_tags.tif": _bad(
            b"II*\0\x08\0\0\0\xff\xff" + b"\1\1\4\0\xff\xff\xff\xff\x08\0\0\0" * 50
        ),
        "tiff_huge.tif": _bad(_grey_tiff(60000, 60000, 122, dots), "too large"),
        "tiff_zero.tif": _bad(_grey_tiff(0, 0, 122, dots), "broken TIFF"),
        "tiff_tile_bomb.tif": _bad(_grey_tiff(8, 8, 122, dots + bytes(200), **tile), "too large"),
        "tiff_many_parts.tif": _bad(_grey_tiff(8, 8, 122, dots, _277=60000)),
        "tiff_half.tif": _bad(plain[: len(plain) // 2]),
        "tiff_header.tif": _bad(plain[:8]),
        "tiff_big_header.tif": _bad(b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"),
    }


def _others() -> dict[str, Case]:
    """What people drop on a program by mistake; the message names what it is."""
    return {
        "empty.jpg": _bad(b"", "empty"),
        "blank.jpg": _bad(b" \n" * 40, "text"),
        "one_byte.png": _bad(b"\x89", "not a supported"),
        "text.jpg": _bad(b"This is not a picture.\n" * 9, "text"),
        "page.jpg": _bad(b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        "drawing.svg": _bad(b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
        "pointer.jpg": _bad(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        "phone.heic": _bad(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "HEIC"),
        "web.avif": _bad(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1" + bytes(99), "broken AVIF"),
        "film.mp4": _bad(b"\0\0\0\x18ftypisom\0\0\2\0isommp42" + bytes(99), "video"),
        "film.webm": _bad(b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + bytes(99), "video"),
        "paper.pdf": _bad(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        "drawing.eps": _bad(b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) run\n", "PostScript"),
        "layers.psd": _bad(b"8BPS\0\1" + bytes(99), "Photoshop"),
        "archive.zip": _bad(b"PK\3\4" + bytes(99), "archive: unpack it first"),
        "packed.gz": _bad(b"\x1f\x8b\x08" + bytes(99), "archive: unpack it first"),
        "array.npy": _bad(b"\x93NUMPY\1\0v\0{'descr': '|u1'}", "NumPy"),
        "icon.ico": _bad(encoded(scene(), "ICO"), "icon"),
        "wave.jp2": _bad(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(99), "JPEG 2000 or"),
        "long.jxl": _bad(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99), "or JPEG XL"),
        "plain.ppm": _bad(encoded(scene(), "PPM"), "not a supported"),
        "noise.jpg": _bad(b"\x07" + random.Random(3).randbytes(4096), "unknown"),
        "zeros.png": _bad(bytes(4096), "nothing but zeros"),
    }


@cache
def corpus() -> dict[str, Case]:
    """Every case by its file name."""
    parts: tuple[Callable[[], dict[str, Case]], ...] = (
        _jpegs,
        _pngs,
        _gifs_and_webps,
        _bmps,
        _tiffs,
        _others,
    )
    cases: dict[str, Case] = {}
    for part in parts:
        cases |= part()
    return cases
