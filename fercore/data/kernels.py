"""The compiled loops of the input pipeline on a CPU: squares cut out of images, and bytes turned into floats.

Numba translates the loops; they are written as one would write them in C, and hold no interpreter lock.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba
import numpy as np
import torch


def compiled(function):
    """numba.njit, cached on disk where a cache folder can be written."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no writable folder: compile anew in each process
        return numba.njit(nogil=True)(function)


@compiled
def cut_squares(images: np.ndarray, top: np.ndarray, left: np.ndarray, flip: np.ndarray, squares: np.ndarray) -> None:
    """Fill `squares` [m, C, S, S] with those of `images` [m, C, H, W] whose corners are `top` and `left` [m], mirrored where
    `flip` [m] says so.
    """
    count, channels, side, _ = squares.shape
    width = np.uint64(side)  # unsigned, an index cannot count from the end: without that check eight times faster
    for i in range(count):
        first = np.uint64(left[i])
        last = first + width - np.uint64(1)
        for c in range(channels):
            for y in range(side):
                row, square = images[i, c, top[i] + y], squares[i, c, y]
                if flip[i]:
                    for x in range(width):
                        square[x] = row[last - x]
                else:
                    for x in range(width):
                        square[x] = row[first + x]


@compiled
def look_up(images: np.ndarray, values: np.ndarray, table: np.ndarray) -> None:
    """values[i, y, x, c] = table[c, images[i, c, y, x]]: floats with the channel last, of bytes with the channel second."""
    count, channels, height, width = images.shape
    for i in range(count):
        for y in range(height):
            for c in range(channels):
                for x in range(width):
                    values[i, y, x, c] = table[c, images[i, c, y, x]]


def look_up_in_threads(images: np.ndarray, values: np.ndarray, table: np.ndarray) -> None:
    """`look_up`, its images divided among PyTorch's threads: the floats are many, and their memory is new in every batch."""
    threads, count = torch.get_num_threads(), len(images)
    if threads == 1:
        return look_up(images, values, table)
    size = -(-count // threads)
    slices = [slice(start, start + size) for start in range(0, count, size)]
    list(pool(threads).map(lambda part: look_up(images[part], values[part], table), slices))
    return None


@lru_cache(maxsize=1)
def pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)
