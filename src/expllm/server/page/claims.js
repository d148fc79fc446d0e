/** An explanation with its claims marked: by colour, by the line beneath, and by a sign. */

import { el, freshId, listed } from "./dom.js";

/** Where claims share words, the mark is that of the first of these. */
const MARKS = [
  ["contradicted", "contradicted", "✗"],
  ["wrong side", "contradicted", "⇄"],
  ["wrong place", "contradicted", "⇅"],
  ["wrong order", "contradicted", "⇆"],
  ["wrong time", "contradicted", "≠"],
  ["wrong degree", "unsupported", "≈"],
  ["unsupported", "unsupported", "?"],
  ["not measurable", "not-measurable", "–"],
  ["outside the vocabulary", "not-measurable", "–"],
  ["supported", "supported", "✓"],
];
const GRAVITY = new Map(MARKS.map(([verdict], number) => [verdict, number]));
const HEADINGS = /\*\*([^*]+):\*\* ?/g;

export function legend() {
  const meanings = [
    ["supported", "✓", "supported by the action units"],
    ["contradicted", "✗", "contradicted, or of the wrong side, half of the face, order or time"],
    ["unsupported", "?", "not supported, or of another degree"],
    ["not-measurable", "–", "cannot be measured"],
  ];
  return el("details", { class: "legend" }, el("summary", {}, "What the marks mean"),
    el("ul", {}, meanings.map(([kind, sign, meaning]) => el("li", {},
      el("span", { class: `mark ${kind}` }, meaning, el("span", { class: "sign", "aria-hidden": "true" }, sign)))),
    el("li", {}, el("span", { class: "mark unread" }, "not read: nothing in this sentence was checked"))));
}

/**
 * The parts of a text under their headings.
 * @param {{text: string, claims: Object[], unread: Object[], summary: string}|null} audited
 * @param {Map} units of the anatomy: a claim is about an action, both sides of it unless it names one
 */
export function claimText(audited, units, spotlight) {
  if (!audited?.text) return el("div");
  const whole = el("div", { class: "explanation" });
  const heads = [...audited.text.matchAll(HEADINGS)];
  if (!heads.length) heads.push({ 1: "", index: 0, 0: "" });
  heads.forEach((head, number) => {
    const start = head.index + head[0].length;
    const end = heads[number + 1]?.index ?? audited.text.length;
    whole.append(el("div", { class: "part" },
      head[1] ? el("h3", {}, head[1]) : null,
      el("p", {}, pieces(audited, start, end, units, spotlight))));
  });
  whole.append(el("p", { class: "audit" }, audited.summary), legend());
  return whole;
}

function pieces({ text, claims, unread }, start, end, units, spotlight) {
  const inside = (one) => one.start < end && one.end > start;
  const [spans, gaps] = [claims.filter(inside), unread.filter(inside)];
  const cuts = new Set([start, end]);
  for (const one of [...spans, ...gaps]) cuts.add(Math.max(start, one.start)).add(Math.min(end, one.end));
  const ordered = [...cuts].sort((a, b) => a - b);
  return ordered.slice(0, -1).map((from, i) => {
    const [to, covers] = [ordered[i + 1], (one) => one.start <= from && ordered[i + 1] <= one.end];
    const words = text.slice(from, to);
    const covering = spans.filter(covers);
    if (covering.length) return mark(words, covering, units, spotlight);
    if (gaps.some(covers)) return el("span", { class: "mark unread", title: "not read: nothing was checked" }, words);
    return words;
  });
}

function mark(words, covering, units, spotlight) {
  const gravest = Math.min(...covering.map((claim) => GRAVITY.get(claim.verdict) ?? 0));
  const [, kind, sign] = MARKS[gravest];
  const id = freshId("claim");
  const note = el("span", { id, class: "note", role: "tooltip" },
    covering.map((claim) => `${claim.verdict}: ${claim.reason}`).join("; "));
  const node = el("span", {
    class: `mark ${kind}`, role: "button", tabindex: "0", "aria-pressed": "false", "aria-describedby": id,
  }, words, el("span", { class: "sign", "aria-hidden": "true" }, sign));
  const named = [...new Set(covering.flatMap((claim) => unitsOf(claim, units)))];
  spotlight.add(node, named, { claim: true, shown: (lit, source) => note.classList.toggle("shown", lit && source) });
  return el("span", { class: "claim" }, node, note);
}

/** Names of the units that a claim speaks of: of one side, if it names one. */
export function unitsOf(claim, units) {
  const measured = Object.keys(claim.measured ?? {});
  const found = measured.length ? measured : [...units.values()].filter((unit) => claim.units.includes(unit.action)).map((unit) => unit.name);
  const side = claim.side && !claim.both ? claim.side : null;
  return found.filter((name) => {
    const unit = units.get(name);
    return !side || (unit.side ?? unit.direction ?? side) === side;
  });
}

/** A change of units in a sentence: "lip corner pull (both sides) from 0.62 to 0.34". */
export function changeWords(changes, units) {
  const byAction = Map.groupBy(changes, ({ unit }) => units.get(unit).action);
  return listed([...byAction].map(([action, both]) => {
    const [one] = both;
    const same = both.every(({ before, after }) => before.toFixed(2) === one.before.toFixed(2) && after === one.after);
    const steps = ({ unit, before, after }) => `${unit} from ${before.toFixed(2)} to ${after.toFixed(2)}`;
    if (both.length === 2 && same) return `${action} on both sides from ${one.before.toFixed(2)} to ${one.after.toFixed(2)}`;
    return listed(both.map(steps));
  }));
}
