/** What was found in one picture: the face, the label, the text, the bars. */

import { claimText } from "./claims.js";
import { probabilityBars, unitBars } from "./charts.js";
import { el, percent, svg } from "./dom.js";
import { closeUp, meshOf, regionsOf } from "./face.js";
import { Spotlight } from "./spotlight.js";

const STATUS = {
  too_small: "A face was found here, but it has too few pixels to measure.",
  no_landmarks: "A face was found here, but no landmarks fit it (profile, occlusion or blur): nothing was measured.",
};

/**
 * @param {Entry} entry
 * @param {Object} world anatomy, vocabulary
 * @param {Object} act `choose(number)`, `whatIf()`, `download(format)`
 */
export function resultOf(entry, world, act) {
  const spotlight = new Spotlight();
  const face = entry.face;
  const title = el("h2", { id: "result-title" }, entry.name);
  if (!face) {
    return [title, el("p", {}, entry.warnings.join(" ") || "No face was found."), drawing(entry, world, spotlight)];
  }
  const share = face.probabilities?.[face.expression];
  return [
    title,
    faceButtons(entry, act),
    drawing(entry, world, spotlight),
    el("div", { class: "reading", id: "reading", tabindex: "-1" },
      el("p", { class: "label" }, labelOf(face), " ", share === undefined ? null : el("span", { class: "certainty" }, percent(share))),
      STATUS[face.status] ? el("p", {}, STATUS[face.status]) : null,
      claimText(entry.audited, world.anatomy.units, spotlight),
      warnings([...face.warnings ?? [], ...entry.warnings])),
    face.aus ? el("div", { class: "measured" }, probabilityBars(face.probabilities), unitBars(world.vocabulary, face.aus, spotlight, face.au_readings ?? {})) : null,
    el("div", { class: "buttons actions" },
      face.aus ? el("button", { type: "button", class: "button", onclick: act.whatIf }, "What if? Change the action units") : null,
      el("span", { role: "group", "aria-label": "Download" }, "Download: ",
        ["json", "csv", "html"].map((format) => el("button", { type: "button", class: "button small", onclick: () => act.download(format) },
          { json: "JSON", csv: "table (CSV)", html: "report (HTML)" }[format])))),
    sources(face, entry),
  ];
}

export const labelOf = (face) => (face.uncertain ? "uncertain" : face.expression ?? "no label");

function faceButtons(entry, act) {
  if (entry.faces.length < 2) return null;
  return el("div", { class: "buttons faces-of", role: "group", "aria-label": "Faces of this picture" },
    entry.faces.map((face, number) => el("button", {
      type: "button", class: "button small", "aria-pressed": String(number === entry.chosen), onclick: () => act.choose(number),
    }, `face ${number}: ${labelOf(face)}`)));
}

function drawing(entry, world, spotlight) {
  const { face, size, picture } = entry;
  const whole = `0 0 ${size.width} ${size.height}`;
  const close = face?.box && face.box.width < 0.45 * size.width ? closeUp(face.box, size).map((n) => n.toFixed(1)).join(" ") : null;
  const canvas = svg("svg", { viewBox: close ?? whole, role: "img", "aria-label": described(entry), class: picture ? "photo" : "schematic" },
    picture ? svg("image", { href: picture.url, width: size.width, height: size.height, preserveAspectRatio: "none" }) : null);
  for (const [number, other] of entry.faces.entries()) {
    if (other.box && number !== entry.chosen) canvas.append(boxOf(other.box));
  }
  if (face?.landmarks) {
    canvas.append(regionsOf(world.anatomy, face.landmarks, face.aus ?? {}, spotlight, world.vocabulary.trace), meshOf(world.anatomy, face.landmarks));
  } else if (face?.box) {
    canvas.append(boxOf(face.box));
  }
  const frame = el("div", { class: "frame" }, canvas);
  const toggle = (text, name, on = true) => {
    const input = el("input", { type: "checkbox", checked: on, onchange: () => frame.classList.toggle(name, !input.checked) });
    return el("label", {}, input, ` ${text}`);
  };
  const zoom = el("input", { type: "checkbox", onchange: () => canvas.setAttribute("viewBox", zoom.checked ? whole : close) });
  const turned = face?.pose ? `Head: ${direction(face.pose)}.` : "";
  return el("figure", {}, frame,
    el("figcaption", {},
      face?.landmarks ? toggle("mesh", "no-mesh") : null,
      face?.landmarks ? toggle("regions", "no-regions") : null,
      close ? el("label", {}, zoom, " whole picture") : null,
      el("span", { class: "swatches" }, el("span", { class: "swatch right" }, "their right"), el("span", { class: "swatch left" }, "their left")),
      el("span", {}, `${size.width} × ${size.height} px. ${turned}`),
      picture || !face ? null : el("span", {}, "There is no picture to show: the drawing is of its landmarks.")));
}

const boxOf = ({ x, y, width, height }) => svg("rect", { class: "box", x, y, width, height });

function described({ name, faces }) {
  const found = faces.map((face, number) => `face ${number}: ${labelOf(face)}`).join("; ");
  return `${name} (${found || "no face"})`;
}

function direction({ pitch, yaw, roll }) {
  const parts = [
    Math.abs(yaw) < 5 ? null : `turned ${Math.abs(yaw).toFixed(0)}° to its ${yaw > 0 ? "left" : "right"}`,
    Math.abs(pitch) < 5 ? null : `tilted ${Math.abs(pitch).toFixed(0)}° ${pitch > 0 ? "up" : "down"}`,
    Math.abs(roll) < 5 ? null : `leaning ${Math.abs(roll).toFixed(0)}°`,
  ].filter(Boolean);
  return parts.join(", ") || "straight on";
}

function warnings(lines) {
  return lines.length ? el("ul", { class: "warnings", "aria-label": "Warnings" }, lines.map((line) => el("li", {}, line))) : null;
}

function sources(face, entry) {
  const from = face.provenance;
  const writer = from?.writer ?? entry.model ?? "";
  const rules = writer.startsWith("offline") ? " (composed by rules from the action units, not by a language model)" : "";
  const measured = from ? ` Measured by ${from.detector} and ${from.au_reader}; label by ${from.classifier}; expllm ${from.expllm}.` : "";
  return el("p", { class: "sources" }, `Written by ${writer}${rules}.${measured}`);
}
