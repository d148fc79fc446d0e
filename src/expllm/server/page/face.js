/** Faces as drawings: the picture, regions of the action units by intensity, the mesh, the box. */

import { svg } from "./dom.js";

/** What the drawing of a face needs to know: mesh lines, regions, and how each unit moves the landmarks. */
export class Anatomy {
  /**
   * @param {Object} mesh face_mesh.json: groups of trails of landmarks
   * @param {Object} regions au_regions.json
   * @param {Object} vocabulary of the server
   */
  constructor(mesh, regions, vocabulary) {
    this.mesh = mesh;
    this.eyes = regions.eyes;
    this.units = new Map();
    for (const unit of vocabulary.units) {
      const known = regions.units[unit.name];
      this.units.set(unit.name, {
        ...unit,
        kind: unit.side ?? unit.direction ?? "whole",
        regions: known?.regions ?? [],
        move: known ? numbers(known.move, regions.step) : null,
      });
    }
    const rest = numbers(regions.rest, 0.01);
    /** A typical face at rest, for readings without landmarks, in pixels of a drawing of 400 by 480. */
    this.typical = Array.from({ length: rest.length / 2 }, (_, i) => [
      200 + 165 * rest[2 * i], 175 + 165 * rest[2 * i + 1],
    ]);
  }

  /**
   * Where the landmarks are if units change.
   * @param {number[][]} points [478][2] pixels
   * @param {Object<string, number|null>} before @param {Object<string, number|null>} after intensities by name
   */
  moved(points, before, after) {
    const [right, left] = this.eyes.map((index) => points[index]);
    const across = [left[0] - right[0], left[1] - right[1]]; // along the face
    const found = points.map(([x, y]) => [x, y]);
    for (const [name, { move }] of this.units) {
      const change = (after[name] ?? 0) - (before[name] ?? 0);
      if (!move || !change) continue;
      found.forEach((point, i) => {
        const [x, y] = [change * move[2 * i], change * move[2 * i + 1]];
        point[0] += x * across[0] - y * across[1];
        point[1] += x * across[1] + y * across[0];
      });
    }
    return found;
  }

  /** SVG path of a group of lines: left, right, middle or mesh. */
  path(points, group) {
    return this.mesh[group].map((trail) => line(trail, points)).join("");
  }

  /** SVG path around the regions of a unit. */
  outline(points, name) {
    return (this.units.get(name)?.regions ?? []).map((region) => `${line(region, points)}Z`).join("");
  }
}

/** Numbers of bytes in base64. */
/** Base64 of int8; `*n*` stands for n zeros of it, in hexadecimal. */
function numbers(text, step) {
  const whole = text.replace(/\*(\w+)\*/g, (_, count) => "A".repeat(parseInt(count, 16)));
  return Float32Array.from(atob(whole), (character) => ((character.charCodeAt(0) << 24) >> 24) * step);
}

const line = (trail, points) => `M${trail.map((i) => points[i].slice(0, 2).map((n) => n.toFixed(1)).join(",")).join("L")}`;

/** The rectangle around a face with room at its sides, as a viewBox, inside the picture. */
export function closeUp({ x, y, width, height }, size) {
  const side = 1.7 * Math.max(width, height);
  const [w, h] = [Math.min(side, size.width), Math.min(side, size.height)];
  const within = (value, most) => Math.min(Math.max(value, 0), most);
  return [within(x + (width - w) / 2, size.width - w), within(y + (height - h) / 2, size.height - h), w, h];
}

/**
 * Regions of units, the stronger the more opaque; each is in the spotlight with its unit.
 * @returns {SVGElement} a group
 */
export function regionsOf(anatomy, points, aus, spotlight, trace) {
  const group = svg("g", { class: "regions" });
  for (const [name, unit] of anatomy.units) {
    const value = aus[name];
    if (value === null || value === undefined || !unit.regions.length) continue;
    const path = svg("path", {
      class: `region ${unit.kind}`, d: anatomy.outline(points, name), "data-unit": name,
      "--v": value > trace ? value.toFixed(3) : "0",
    }, svg("title", {}, `${name} ${value.toFixed(2)}`));
    spotlight.add(path, [name]);
    group.append(path);
  }
  return group;
}

/** The lines of the mesh. */
export function meshOf(anatomy, points, kind = "mesh") {
  const group = svg("g", { class: kind });
  const [right, left] = anatomy.eyes.map((index) => points[index]);
  group.style.setProperty("--pen", `${(Math.hypot(left[0] - right[0], left[1] - right[1]) / 90).toFixed(2)}px`);
  for (const part of ["mesh", "middle", "right", "left"]) {
    group.append(svg("path", { class: part === "mesh" ? "fine" : part, d: anatomy.path(points, part) }));
  }
  return group;
}
