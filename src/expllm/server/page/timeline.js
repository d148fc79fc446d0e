/** Lanes of what moves, one for each person and unit, with the episodes as bands behind them. */

import { asTable } from "./charts.js";
import { el, percent, svg } from "./dom.js";

const [LANE, LEFT, WIDTH] = [18, 200, 1000];

/** "1:02.3" */
export function clock(seconds) {
  const tenths = Math.round(10 * seconds);
  const [minutes, rest] = [Math.floor(tenths / 600), tenths % 600];
  return `${minutes}:${(rest / 10).toFixed(1).padStart(4, "0")}`;
}

const doubtful = ({ flags }) => /drift|unsteady|mirrored|beside|rest/.test(flags);
const sideOf = (unit, units) => units.get(unit)?.side ?? units.get(unit)?.direction ?? "whole";
const told = (event) => `${event.person}, ${event.unit}, ${clock(event.onset)} to ${clock(event.offset)}, peak ${event.peak.toFixed(2)} (${event.letter})${event.flags.length ? `, ${event.flags.join(", ")}` : ""}`;

/** What an episode is called: "Episode 2, P1, 0:04.1 to 0:06.0: happiness 93 %". */
export function title({ number, person, start, end, expression, probabilities }) {
  const share = probabilities?.[expression];
  return `Episode ${number + 1}, ${person}, ${clock(start)} to ${clock(end)}: ${expression ?? "no label"}${share === undefined ? "" : ` ${percent(share)}`}`;
}

/**
 * @param {Object} found people, events, episodes, span
 * @param {Map} units
 * @param {(time: number) => void} seek
 */
export class Timeline {
  constructor(found, units, seek) {
    this.found = found;
    const [first, last] = found.span;
    this.end = Math.max(last, first + 0.1);
    this.bars = [];
    this.line = svg("line", { class: "cursor", y1: 0 });
    this.slider = el("input", { type: "range", class: "seek", min: first, max: this.end, step: 0.02, value: first, "aria-label": "Time in the video" });
    this.slider.addEventListener("input", () => seek(Number(this.slider.value)));
    this.slider.addEventListener("keydown", (event) => this.#jump(event, seek));
    this.buttons = found.episodes.map((episode) => el("button", { type: "button", class: "button small", onclick: () => seek(episode.apex) }, title(episode)));
    this.element = el("div", {},
      el("div", { class: "scrolls", tabindex: "0", role: "region", "aria-label": "Timeline" },
        el("div", { class: "lanes" }, this.slider, this.#drawing(units, seek))),
      el("p", { class: "checks" }, "Each bar is one movement above rest: darker is stronger, a dashed outline is doubtful. Arrow keys on the slider move by a frame, Page Up and Page Down by an episode."),
      found.episodes.length ? el("ol", { class: "episodes", "aria-label": "Episodes" }, this.buttons.map((button) => el("li", {}, button))) : el("p", {}, "Nothing moved enough to be an episode."),
      asTable("Events", ["Person and unit", "Onset", "Apex", "Offset", "Peak", "Flags"], found.events.map((event) => [
        el("button", { type: "button", class: "link", onclick: () => seek(event.onset) }, `${event.person}: ${event.unit}`),
        clock(event.onset), clock(event.apex_start), clock(event.offset), `${event.peak.toFixed(2)} (${event.letter})`, event.flags.join(", "),
      ])));
  }

  x(time) {
    const [first] = this.found.span;
    return LEFT + WIDTH * (Math.min(Math.max(time, first), this.end) - first) / (this.end - first);
  }

  #jump(event, seek) {
    const way = { PageUp: -1, PageDown: 1 }[event.key];
    if (!way) return;
    event.preventDefault();
    const now = Number(this.slider.value);
    const apexes = this.found.episodes.map(({ apex }) => apex).sort((a, b) => a - b);
    const next = way > 0 ? apexes.find((time) => time > now + 0.05) : apexes.findLast((time) => time < now - 0.05);
    if (next !== undefined) seek(next);
  }

  #drawing(units, seek) {
    const { people, events, episodes } = this.found;
    const parts = [];
    let top = 0;
    for (const { name } of people) {
      const own = events.filter(({ person }) => person === name);
      const moving = [...new Set(own.map(({ unit }) => unit))].sort((a, b) => rank(a, units) - rank(b, units));
      const height = LANE * (moving.length + 1);
      parts.push(...episodes.filter(({ person }) => person === name).map((episode) => this.#band(episode, top, height, seek)),
        svg("text", { class: "person", x: LEFT - 8, y: top + 13 }, name));
      moving.forEach((unit, lane) => {
        const y = top + LANE * (lane + 1);
        parts.push(svg("text", { x: LEFT - 8, y: y + 13 }, unit),
          ...own.filter((event) => event.unit === unit).map((event) => this.#bar(event, y, sideOf(unit, units), seek)));
      });
      top += height + 8;
    }
    this.line.setAttribute("y2", top);
    return svg("svg", { class: "timeline", viewBox: `0 0 ${LEFT + WIDTH + 10} ${top + 18}`, role: "img", "aria-label": "Movements over time; the table of events says the same" },
      parts, ticks(this.found.span[0], this.end).map((time) => svg("text", { class: "tick", x: this.x(time), y: top + 13 }, clock(time).replace(".0", ""))),
      this.line);
  }

  #band(episode, y, height, seek) {
    return svg("rect", { class: "episode", x: this.x(episode.start), y, width: Math.max(this.x(episode.end) - this.x(episode.start), 2), height, onclick: () => seek(episode.apex) },
      svg("title", {}, title(episode)));
  }

  #bar(event, y, side, seek) {
    const bar = svg("rect", {
      class: `bar-${side}${doubtful(event) ? " doubtful" : ""}`, x: this.x(event.onset), y: y + 2, rx: 2, height: LANE - 4,
      width: Math.max(this.x(event.offset) - this.x(event.onset), 3), "fill-opacity": (0.3 + 0.7 * event.peak).toFixed(2), onclick: () => seek(event.onset),
    }, svg("title", {}, told(event)));
    this.bars.push([bar, event]);
    return bar;
  }

  /** Moves the cursor; `episode` is the one at that time. */
  at(time, episode) {
    for (const name of ["x1", "x2"]) this.line.setAttribute(name, this.x(time));
    this.slider.value = time;
    this.slider.setAttribute("aria-valuetext", `${time.toFixed(1)} seconds, ${episode ? title(episode) : "no episode"}`);
    this.buttons.forEach((button, number) => button.toggleAttribute("aria-current", this.found.episodes[number] === episode));
  }
}

const rank = (unit, units) => (units.has(unit) ? [...units.keys()].indexOf(unit) : units.size);

function ticks(first, last) {
  const step = [0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600].find((one) => (last - first) / one <= 12) ?? 1200;
  const found = [];
  for (let time = Math.ceil(first / step) * step; time <= last; time += step) found.push(time);
  return found;
}
