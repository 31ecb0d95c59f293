"""What the decoder of JPEG forgives, and Pillow does not tell."""

import simplejpeg


def damage(content: bytes) -> str:
    """The decoder's first warning about a stream, "" if it has none.

    Decoded at an eighth of the size: all of the stream is read for that as well.
    """
    try:
        *_, colorspace, _ = simplejpeg.decode_jpeg_header(content)
        space = "CMYK" if colorspace in ("CMYK", "YCCK") else "GRAY"
        simplejpeg.decode_jpeg(content, colorspace=space, min_factor=8, strict=True)
    except ValueError as error:
        return f"damaged: {error}"
    return ""
