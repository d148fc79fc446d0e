/** Small helpers for elements. Texts are set as texts: nothing is ever parsed as HTML. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element.
 * @param {string} tag
 * @param {Object<string, any>} given attributes; `on...` are listeners, `--...` style properties; null and false
 *   leave an attribute out.
 * @param {...(Node|string|null)} children
 */
export function el(tag, given = {}, ...children) {
  return filled(document.createElement(tag), given, children);
}

export function svg(tag, given = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), given, children);
}

function filled(node, given, children) {
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

let last = 0;
/** An id that no other element has. */
export const freshId = (stem) => `${stem}-${++last}`;

/** An intensity or its absence, in words. */
export const intensity = (value) => (value === null || value === undefined ? "not measured" : value.toFixed(2));

/** A probability as whole percent; what is neither 0 nor 1 is never rounded to it. */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1\u202f%";
  if (share >= 0.995 && share < 1) return ">99\u202f%";
  return `${Math.round(100 * share)}\u202f%`;
}

export function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
