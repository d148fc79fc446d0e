/** Several pictures side by side: what differs stands in one row. */

import { el, intensity, percent } from "./dom.js";

/**
 * @param {Object[]} entries with at least one face each
 * @param {Object} vocabulary
 */
export function comparison(entries, vocabulary) {
  const faces = entries.map((entry) => entry.face);
  const told = vocabulary.units.filter(({ name }) => faces.some((face) => (face.aus?.[name] ?? 0) > vocabulary.trace));
  const quiet = vocabulary.units.length - told.length;
  const cell = (value, kind) => el("td", { class: `${kind}${value === null || value === undefined ? " unknown-cell" : ""}` },
    typeof value === "number" ? el("span", { class: "bar", "--v": value.toFixed(4) }) : null,
    el("span", {}, intensity(value)));
  return el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Comparison" },
    el("table", { class: "comparison" },
      el("caption", { class: "hidden" }, "Pictures side by side"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Picture"), entries.map((entry) => el("th", { scope: "col" },
        entry.thumbnail ? el("img", { src: entry.thumbnail, alt: "", width: 96, height: 96 }) : null, entry.name)))),
      el("tbody", {},
        el("tr", {}, el("th", { scope: "row" }, "Label"), faces.map((face) => el("td", {}, face.expression ?? "no label",
          face.probabilities?.[face.expression] ? ` ${percent(face.probabilities[face.expression])}` : ""))),
        told.map((unit) => el("tr", {}, el("th", { scope: "row" }, unit.name),
          faces.map((face) => cell(face.aus?.[unit.name] ?? null, unit.side ?? unit.direction ?? "whole"))))),
    ),
    el("p", { class: "checks" }, `${quiet} action units that move in none of these pictures, or were not measured, are left out.`));
}
