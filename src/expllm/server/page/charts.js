/** Charts: action units by side, probabilities. Each is a table already; `asTable` adds the plain one. */

import { el, intensity, percent } from "./dom.js";

const SOURCES = { blendshapes: "from landmarks (blendshapes)", pixels: "from pixels", both: "from landmarks and pixels" };

/** A thin line on the bar shows how far off the value may be, where that is known. */
const bar = (value, known) => {
  const band = typeof known?.low === "number";
  return el("span", { class: band ? "bar band" : "bar", "--v": value.toFixed(4), "--a": band ? known.low : null, "--b": band ? known.high : null });
};

function told(known) {
  if (!known) return null;
  const within = typeof known.low === "number" ? `; four of five such readings belong between ${intensity(known.low)} and ${intensity(known.high)}` : "";
  return SOURCES[known.source] + within;
}

function reading(name, value, side, spotlight, known) {
  if (value === null || value === undefined) {
    return el("td", { class: `${side} unknown` }, el("div", {}, el("span", { class: "words" }, "not measured")));
  }
  const button = el(
    "button",
    { type: "button", class: "reading", "aria-pressed": "false", "aria-label": `${name} ${intensity(value)}`, title: told(known) },
    bar(value, known), el("span", { class: "value" }, intensity(value)),
  );
  spotlight.add(button, [name]);
  return el("td", { class: side }, button);
}

/**
 * Bars of the units: those of each side mirrored about the names, then those of the whole face.
 * @param {Object<string, {source: string, low: ?number, high: ?number}>} known where each comes from, if that was told
 */
export function unitBars(vocabulary, aus, spotlight, known = {}) {
  const pairs = el("table", { class: "pairs" },
    el("caption", {}, "Action units of each side (0-1)"),
    el("thead", {}, el("tr", {},
      el("th", { scope: "col", class: "right" }, "subject’s right"),
      el("th", { scope: "col" }, el("span", { class: "hidden" }, "action")),
      el("th", { scope: "col", class: "left" }, "subject’s left"))),
    el("tbody", {}, vocabulary.pairs.map(({ action, right, left }) => el("tr", {},
      reading(right, aus[right], "right", spotlight, known[right]),
      el("th", { scope: "row" }, action),
      reading(left, aus[left], "left", spotlight, known[left])))));
  const whole = el("table", { class: "whole-face" },
    el("caption", {}, "Action units of the whole face (0-1)"),
    el("tbody", {}, vocabulary.whole.map((name) => el("tr", {},
      el("th", { scope: "row" }, name), reading(name, aus[name], "whole", spotlight, known[name])))));
  const table = asTable("Action units", ["Action unit", "FACS", "Part", "Intensity"], vocabulary.units.map((unit) => [
    unit.name, unit.facs.join(", "), unit.region, intensity(aus[unit.name]),
  ]));
  return el("div", { class: "units" }, pairs, whole, table);
}

export function probabilityBars(probabilities) {
  const ranked = Object.entries(probabilities ?? {}).sort((a, b) => b[1] - a[1]);
  if (!ranked.length) return el("p", { class: "checks" }, "Too little was measured to name an expression.");
  return el("table", { class: "probabilities" },
    el("caption", {}, "Probability of each label"),
    el("tbody", {}, ranked.map(([label, share]) => el("tr", {},
      el("th", { scope: "row" }, label), el("td", {}, bar(share)), el("td", { class: "value" }, percent(share))))));
}

/** The same figures without bars, to be read aloud, sorted by eye, or copied. */
export function asTable(title, columns, rows) {
  return el("details", { class: "as-table" },
    el("summary", {}, `${title} as a table`),
    el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": title }, el("table", {},
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows.map(([first, ...rest]) => el("tr", {},
        el("th", { scope: "row" }, first), rest.map((cell) => el("td", {}, cell))))))));
}
