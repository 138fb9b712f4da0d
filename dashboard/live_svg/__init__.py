"""Pictures that change while one looks: SVG patched in place, so that what moves keeps moving."""
