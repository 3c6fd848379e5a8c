"""The compiled loops of the renderer: normals, a z-buffer, and the color of each pixel.

Numba translates this module; it is written as one would write it in C. Colors are linear triples, positions of the
template (`x`, `y`, `z`, decimeters) choose what is painted where, so that paint moves with the skin.
"""

import math
from typing import NamedTuple

import numba
import numpy as np

from simfer.assets import FRAME, LEFT_EYE, LENS, LOCKS, LOWER_TEETH, RIGHT_EYE, SCALP, SKIN, TONGUE, UPPER_TEETH


def compiled(function):
    """numba.njit, cached on disk where a cache folder can be written."""
    try:
        return numba.njit(cache=True)(function)
    except RuntimeError:  # no writable folder: compile anew in each process
        return numba.njit(function)


class Look(NamedTuple):
    """What the color of a pixel depends on, besides its place: the person, the light, and how far wrinkles are drawn."""

    skin: np.ndarray
    lips: np.ndarray
    hair: np.ndarray
    brow_color: np.ndarray
    iris: np.ndarray
    hat: np.ndarray
    cloth: np.ndarray
    brow: np.ndarray
    offsets: np.ndarray
    noise: np.ndarray
    streaks: np.ndarray
    eyes: np.ndarray
    pupils: np.ndarray
    light: np.ndarray
    key_color: np.ndarray
    head_forward: np.ndarray
    female: float
    oldness: float
    child: float
    beard: float
    freckles: float
    mottle: float
    stubble_line: float
    bald: float
    beanie: float
    curly: float
    masked: float
    forehead: float
    frown: float
    sneer: float
    smile: float
    squint: float
    key: float
    ambient: float
    ground: float


@compiled
def vertex_normals(vertices, triangles):
    """[V, 3] unit normals, each the area-weighted mean of its triangles' normals."""
    normals = np.zeros_like(vertices)
    for k in range(triangles.shape[0]):
        a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(len(normals)):
        scale = 1.0 / (math.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-9)
        for j in range(3):
            normals[i, j] *= scale
    return normals


@compiled
def rasterize(points, triangles, parts, opacity, strands, streaks, cut, height, width):
    """Which triangle is seen at each pixel, its barycentric weights and its depth (z-buffer, pixel centers).

    points [V, 3]: x right and y down in pixels, z the distance from the viewer. Back faces are dropped, except of hair
    and glasses, which are thin. Hair is cut where its opacity falls below one half, strand by strand (`cut` per part).
    Returns triangle [h, w] (-1: none), weights [h, w, 3], depth [h, w].
    """
    depth = np.full((height, width), np.float32(1e9), np.float32)
    triangle = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    for k in range(triangles.shape[0]):
        i, j, m = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ax, ay, bx, by, cx, cy = points[i, 0], points[i, 1], points[j, 0], points[j, 1], points[m, 0], points[m, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        thin = parts[k] >= LOCKS
        hairy = parts[k] in (SCALP, LOCKS)
        if (area > -1e-9 and not thin) or abs(area) < 1e-9:
            continue
        if opacity[i] < -1 and opacity[j] < -1 and opacity[m] < -1:
            continue
        left, right = max(0, int(math.ceil(min(ax, bx, cx) - 0.5))), min(width - 1, int(math.floor(max(ax, bx, cx) - 0.5)))
        top, bottom = max(0, int(math.ceil(min(ay, by, cy) - 0.5))), min(height - 1, int(math.floor(max(ay, by, cy) - 0.5)))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                px, py = x + 0.5, y + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) / area
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) / area
                w = 1 - u - v
                if u < 0 or v < 0 or w < 0:
                    continue
                z = u * points[i, 2] + v * points[j, 2] + w * points[m, 2]
                if z >= depth[y, x]:
                    continue
                if hairy:
                    across = u * strands[i, 0] + v * strands[j, 0] + w * strands[m, 0]
                    along = u * strands[i, 1] + v * strands[j, 1] + w * strands[m, 1]
                    jagged = cut[parts[k]] * lookup(streaks, across * 3.7, along * 0.15)
                    if u * opacity[i] + v * opacity[j] + w * opacity[m] < 0.5 + jagged:
                        continue
                elif u * opacity[i] + v * opacity[j] + w * opacity[m] < 0.5:
                    continue
                depth[y, x], triangle[y, x] = z, k
                weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = u, v, w
    return triangle, weights, depth


@compiled
def lookup(texture, x, y):
    """A tileable texture at (x, y); one unit is 64 texels."""
    return texture[int(math.floor(y * 64)) & 255, int(math.floor(x * 64)) & 255]


@compiled
def rise(low, high, x):
    """smoothstep: 0 below `low`, 1 above `high`; falls where low > high."""
    t = min(max((x - low) / (high - low), 0.0), 1.0)
    return t * t * (3 - 2 * t)


@compiled
def bell(x):
    return math.exp(-x * x)


@compiled
def mix(a, b, share):
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


@compiled
def scaled(color, factor):
    return (color[0] * factor, color[1] * factor, color[2] * factor)


@compiled
def wrinkles(look, x, y, z):
    """Depth 0..1.3 of the lines that each action folds into the skin: forehead, glabella, nose, cheeks, crow's feet."""
    side = abs(x)
    depth = 0.0
    if y > 7.55 and z > 1:
        for line in (7.66, 7.75, 7.84):
            depth += look.forehead * bell((y - line - 0.02 * math.cos(x * 6 + look.offsets[0])) / 0.012) * rise(0.5, 0.25, side)
    if z > 1.1:
        depth += 1.3 * look.frown * bell((side - 0.075 - 0.02 * (y - 7.45)) / 0.016) * bell((y - 7.47) / 0.09)
    if z > 1.3:
        for line in (7.20, 7.26, 7.32):
            depth += 0.9 * look.sneer * bell((y - line - side * 0.25) / 0.012) * rise(0.13, 0.05, side)
    if z > 1.0:
        fold = 0.8 * look.smile + 0.8 * look.sneer + 0.12 + 0.4 * look.oldness
        depth += fold * bell((side - (0.22 + 0.36 * (6.98 - y))) / 0.018) * rise(6.5, 6.66, y) * rise(7.03, 6.93, y)
    if z > 0.8:
        for line in (-1, 0, 1):
            shape = bell((y - 7.24 - line * (side - 0.50) * 0.5 - 0.015 * line) / 0.010)
            depth += 0.6 * look.squint * shape * rise(0.50, 0.54, side) * rise(0.66, 0.60, side)
    return min(depth * (0.4 + 0.6 * look.oldness - 0.25 * look.child), 1.3)


@compiled
def skin_color(look, x, y, z, lips, lashes, cavity):
    """Skin with mottling, blush, eye shadow, freckles, wrinkles, beard, lips, brows, lid rims and the mouth's inside."""
    side = abs(x)
    o = look.offsets
    tone = 1 + look.mottle * lookup(look.noise[0], (x + o[0]) * 0.7, (y + o[1]) * 0.7)
    tone += 0.5 * look.mottle * lookup(look.noise[1], (x + o[2]) * 3, (y + o[3]) * 3)
    tone *= 1 - 0.28 * bell((side - 0.31) / 0.16) * bell((y - 7.13) / 0.05) * (0.4 + 0.6 * look.oldness)
    if look.freckles > 0 and z > 0.9 and abs(y - 7.05) < 0.25 and lookup(look.noise[2], (x + o[4]) * 4, (y + o[5]) * 4) > 1.2:
        tone *= 0.75
    tone *= 1 - 0.42 * wrinkles(look, x, y, z)
    blush = 0.10 * bell((side - 0.42) / 0.2) * bell((y - 6.95) / 0.16)
    if z > 1.3:
        blush += 0.12 * bell(x / 0.12) * bell((y - 6.98) / 0.1)
    color = (
        look.skin[0] * tone * (1 + blush),
        look.skin[1] * tone * (1 - 0.6 * blush),
        look.skin[2] * tone * (1 - 0.6 * blush),
    )
    if look.beard > 0 and z > 0.25:
        chin = rise(6.62, 6.52, y) * rise(5.85, 6.1, y)
        upper = bell((y - 6.86) / 0.05) * rise(0.34, 0.2, side) if z > 1.2 else 0.0
        cheeks = rise(0.50, 0.58, side) * rise(6.95, 6.7, y) * rise(5.9, 6.1, y) if z < 1.25 else 0.0
        hairy = max(chin, max(upper, cheeks)) * (1 - min(2 * lips, 1.0))
        hairy *= 1 + 0.15 * lookup(look.noise[3], (x + o[0]) * 6, y * 6)
        color = mix(color, scaled((look.hair[0], look.hair[1], look.hair[2]), 0.7), min(max(hairy, 0.0), 1.0) * look.beard)
    lip_tone = 1 + 0.06 * lookup(look.noise[1], (x * 3 + o[1]) * 2, y)
    color = mix(color, scaled((look.lips[0], look.lips[1], look.lips[2]), lip_tone), lips)
    u = (side - 0.10) / 0.46
    line = 7.468 + look.brow[1] + look.brow[4] * (u - 0.4) + look.brow[3] * bell((u - 0.66) / 0.33)
    if z > 0.75 and -0.05 < u < 1.1 and abs(y - line) < 0.12:
        thickness = look.brow[0] * (1.15 - 0.75 * min(max(u, 0.0), 1.0) ** 1.5)
        hairs = rise(-0.04, 0.06, u) * rise(1.08, 0.9, u) * math.exp(-(abs((y - line) / thickness) ** 3)) * look.brow[2]
        hairs *= 1 + 0.25 * lookup(look.streaks, (x * 2 + o[2]) * 2, y * 4)
        color = mix(color, (look.brow_color[0], look.brow_color[1], look.brow_color[2]), min(max(hairs, 0.0), 1.0))
    color = scaled(color, 1 - (0.25 + 0.5 * look.female) * min(lashes, 1.0))
    if cavity > 0.5:
        color = (0.16, 0.035, 0.035)
    return color


@compiled
def masked(look, x, y, z):
    """Whether a cloth mask covers this place: nose, mouth and chin, up to a line that falls toward the ears."""
    return look.masked > 0 and z > 0.2 and 6.0 < y < 7.06 - 0.28 * rise(0.12, 0.7, abs(x))


@compiled
def eye_color(look, x, y, z, side):
    """White, iris and pupil of the eyeball whose center in the template is look.eyes[side]."""
    dx, dy, dz = x - look.eyes[side, 0], y - look.eyes[side, 1], z - look.eyes[side, 2]
    radius = math.sqrt(dx * dx + dy * dy)
    white = 1 - 0.5 * rise(0.07, 0.14, radius)
    color = (0.72 * white, 0.69 * white, 0.66 * white)
    if dz <= 0:
        return scaled(color, 0.5)
    rays = 1 + 0.25 * lookup(look.noise[2], math.atan2(dy, dx) * 1.8 + look.offsets[3], look.offsets[2])
    tone = (1.3 - 0.5 * rise(0.02, 0.066, radius)) * rays
    color = mix(color, scaled((look.iris[0], look.iris[1], look.iris[2]), tone), rise(0.072, 0.062, radius))
    return mix(color, (0.008, 0.008, 0.008), rise(0.033, 0.026, radius))


@compiled
def hair_color(look, part, across, along, x, y, z):
    """Strands; a knitted cap where the person wears one."""
    if look.beanie > 0:
        rib = 1 + 0.12 * (1.0 if math.sin(math.atan2(x, z) * 60) > 0 else -1.0)
        return scaled((look.hat[0], look.hat[1], look.hat[2]), rib)
    if look.curly > 0:
        tone = 1 + 0.45 * lookup(look.noise[3], across * 2.5 + look.offsets[0], along * 2.5)
    else:
        tone = 1 + 0.35 * lookup(look.streaks, across * 4 + look.offsets[0], along * 0.25 + look.offsets[1])
    return scaled((look.hair[0], look.hair[1], look.hair[2]), max(tone, 0.15))


@compiled
def shade(image, triangle, weights, occlusion, triangles, parts, vertices, normals, attributes, shadow, shadow_frame, look):
    """Color each pixel of `image` [S, S, 3] (linear, already holding the background) that shows a triangle.

    attributes [V, 8]: template x, y, z, lips, mouth, lashes, strand across, strand along. vertices, normals: in view
    space. occlusion [S, S]: 0..1. shadow [M, M]: depth from the light; shadow_frame [4, 3]: its axes, and scale and offsets.
    """
    side = image.shape[0]
    cells = shadow.shape[0]
    half = np.empty(3, np.float32)
    for j in range(3):
        half[j] = look.light[j]
    half[2] += 1
    length = math.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
    for py in range(side):
        for px in range(side):
            k = triangle[py, px]
            if k < 0:
                continue
            part = parts[k]
            p, n, a = np.zeros(3), np.zeros(3), np.zeros(8)
            for corner in range(3):
                i, w = triangles[k, corner], weights[py, px, corner]
                for j in range(3):
                    p[j] += w * vertices[i, j]
                    n[j] += w * normals[i, j]
                for j in range(8):
                    a[j] += w * attributes[i, j]
            x, y, z = a[0], a[1], a[2]
            gloss, power, inside = 0.12, 22.0, False
            if part <= TONGUE and masked(look, x, y, z):
                pleat = 0.9 if abs((y * 9) % 1.0 - 0.5) < 0.12 else 1.0
                color = scaled((look.cloth[0], look.cloth[1], look.cloth[2]), pleat)
                if a[4] > 0.5 or part != SKIN:  # the cloth spans the open mouth
                    for j in range(3):
                        n[j] = look.head_forward[j]
            elif part == SKIN:
                color = skin_color(look, x, y, z, a[3], a[5], a[4])
                inside = a[4] > 0.5
                if a[3] > 0.5:
                    gloss = 0.25
                if look.bald == 0:
                    edge = rise(-0.03, 0.07, look.stubble_line + (y - 7.93 if z > 0.75 else -1.0))
                    color = mix(color, scaled((look.hair[0], look.hair[1], look.hair[2]), 1.2), 0.7 * edge)
            elif part in (LEFT_EYE, RIGHT_EYE):
                eye = part - LEFT_EYE
                color, gloss, power = eye_color(look, x, y, z, eye), 1.2, 90.0
                for j in range(3):
                    n[j] = p[j] - look.pupils[eye, j]
            elif part in (UPPER_TEETH, LOWER_TEETH):
                tooth = 0.6 + 0.4 * rise(1.0, 1.40, z)
                gap = 1 - 0.25 * bell(((x * 9) % 1.0 - 0.5) / 0.06)
                color, inside = (0.78 * tooth * gap, 0.74 * tooth * gap, 0.65 * tooth * gap), True
                for j in range(3):
                    n[j] = look.head_forward[j]
            elif part == TONGUE:
                color, inside = (0.42, 0.12, 0.11), True
            elif part == FRAME:
                color, gloss, power = (0.03, 0.025, 0.025), 0.5, 40.0
            elif part == LENS:
                color, gloss, power = (0.012, 0.012, 0.014), 1.0, 60.0
            else:
                color, gloss = hair_color(look, part, a[6], a[7], x, y, z), 0.05
            scale = 1.0 / (math.sqrt(n[0] ** 2 + n[1] ** 2 + n[2] ** 2) + 1e-6)
            if part >= LOCKS and n[2] < 0:
                scale = -scale
            for j in range(3):
                n[j] *= scale
            toward = n[0] * look.light[0] + n[1] * look.light[1] + n[2] * look.light[2]
            lit = shadow_at(shadow, shadow_frame, cells, p, toward) * rise(-0.02, 0.15, toward)
            shine = max((n[0] * half[0] + n[1] * half[1] + n[2] * half[2]) / length, 0.0)
            ao = occlusion[py, px]
            sky = look.ambient * (look.ground + (1 - look.ground) * (0.5 + 0.5 * n[1])) * ao
            direct = look.key * (0.15 + 0.85 * lit) * (0.4 + 0.6 * ao)
            glint = 0.5 * look.key * gloss * shine**power * lit
            deep = 0.6 + 0.4 * ao * rise(-0.4, 0.1, z - 1.25) if inside else 1.0
            for j in range(3):
                wrap = (0.28, 0.16, 0.13)[j]  # light that skin scatters past the terminator, most in red
                diffuse = max((toward + wrap) / (1 + wrap), 0.0)
                image[py, px, j] = (color[j] * (sky + direct * look.key_color[j] * diffuse) + glint) * deep


@compiled
def shadow_at(shadow, frame, cells, p, toward):
    """Share of four samples of the shadow map that see the light; the bias grows where the light grazes (shadow acne)."""
    q = np.zeros(3)
    for j in range(3):
        for i in range(3):
            q[j] += frame[j, i] * p[i]
    scale, offset = frame[3, 0], frame[3, 1]
    x = min(max(cells / 2 + q[0] * scale, 1.0), cells - 2.0)
    y = min(max(cells / 2 - (q[1] + offset) * scale, 1.0), cells - 2.0)
    bias = 0.05 + 0.06 * min(max(1 / max(toward, 0.12) - 1, 0.0), 4.0)
    seen = 0.0
    for dy in (-0.7, 0.7):
        for dx in (-0.7, 0.7):
            if -q[2] < shadow[int(y + dy), int(x + dx)] + bias:
                seen += 0.25
    return seen
