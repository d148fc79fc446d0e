/** "What if": sliders of the action units; label, text and face follow, by the rules. */

import * as api from "./api.js";
import { changeWords, claimText } from "./claims.js";
import { probabilityBars } from "./charts.js";
import { el, freshId, intensity, percent, svg } from "./dom.js";
import { meshOf, regionsOf } from "./face.js";
import { Spotlight } from "./spotlight.js";

export class WhatIf {
  #spotlight = new Spotlight();
  #asking = false;
  #again = false;
  #sliders = new Map();

  /**
   * @param {Element} root
   * @param {Object} world vocabulary, anatomy, facts, say(status), fail(error)
   */
  constructor(root, world) {
    this.root = root;
    this.world = world;
  }

  /** Starts from a face. @param {Object} entry @param {Object} face its analysis */
  open(entry, face) {
    [this.entry, this.face] = [entry, face];
    this.base = { ...face.aus };
    this.aus = { ...face.aus };
    this.points = face.landmarks ?? this.world.anatomy.typical;
    this.root.replaceChildren(...this.#parts());
    this.root.hidden = false;
    this.#show({ ...face, ...(entry.audits?.[face.face_id ?? 0] ?? {}) }, true);
  }

  close() {
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  #parts() {
    const models = this.world.facts.models.filter((name) => name !== this.world.facts.rules);
    this.drawing = svg("svg", { class: "schematic", role: "img", "aria-label": "Drawing of the face as the sliders say; grey: as measured" });
    this.outcome = el("div", { class: "outcome", "aria-live": "polite" });
    this.text = el("div");
    this.answerer = el("p", { class: "banner" });
    this.flip = el("p", { class: "flip", role: "status" });
    this.toward = el("select", { id: freshId("toward") }, el("option", { value: "" }, "any other label"),
      this.world.vocabulary.expressions.map((name) => el("option", {}, name)));
    const button = (text, onclick) => el("button", { type: "button", class: "button small", onclick }, text);
    return [
      el("h2", { id: "whatif-title" }, "What if?"),
      this.answerer,
      el("div", { class: "whatif-grid" },
        el("div", { class: "whatif-face" }, el("div", { class: "frame-schematic" }, this.drawing), this.outcome),
        el("div", { class: "whatif-sliders" },
          el("div", { class: "buttons" }, button("Reset", () => this.#set(this.base)), button("Mirror the face", () => this.#mirror()),
            models.length && this.entry.picture ? models.map((name) => button(`Ask ${name} with these units`, () => this.#askModel(name))) : null),
          this.#sliderTable(),
          el("div", { class: "buttons flipper" },
            el("label", { for: this.toward.id }, "Smallest change to"), this.toward, button("Find it", () => this.#smallest())),
          this.flip),
        el("div", { class: "whatif-text" }, this.text)),
    ];
  }

  #sliderTable() {
    this.#sliders.clear();
    const { vocabulary } = this.world;
    const row = (action, units) => el("tr", {},
      el("th", { scope: "row" }, action),
      units.map((name) => el("td", { colspan: units.length === 1 ? 2 : null }, this.#slider(name))),
      el("td", { class: "tools" }, this.#tools(action, units)));
    const measured = (units) => units.some((name) => this.base[name] !== null);
    const rows = [
      ...vocabulary.pairs.map(({ action, right, left }) => [action, [right, left]]),
      ...vocabulary.whole.map((name) => [name, [name]]),
    ];
    const missing = rows.filter(([, units]) => !measured(units)).map(([action]) => action);
    return el("div", {}, el("table", { class: "sliders" },
      el("caption", { class: "hidden" }, "Action units to change"),
      el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Action unit"), el("th", { scope: "col", class: "right" }, "subject’s right"),
        el("th", { scope: "col", class: "left" }, "subject’s left"), el("th", { scope: "col" }, el("span", { class: "hidden" }, "Tools")))),
      el("tbody", {}, rows.filter(([, units]) => measured(units)).map(([action, units]) => row(action, units)))),
    missing.length ? el("p", { class: "checks" }, `Not measured, so not to be changed: ${missing.join(", ")}.`) : null);
  }

  #slider(name) {
    if (this.base[name] === null || this.base[name] === undefined) return el("span", { class: "words" }, "not measured");
    const shown = el("output", { class: "value" });
    const input = el("input", { type: "range", min: "0", max: "1", step: "0.01", "aria-label": name });
    input.addEventListener("input", () => this.#set({ ...this.aus, [name]: input.valueAsNumber }));
    this.#spotlight.add(input, [name]);
    this.#sliders.set(name, { input, shown });
    return el("span", { class: "slider" }, input, shown);
  }

  #tools(action, units) {
    const { anatomy } = this.world;
    const tool = (sign, label, onclick) => el("button", { type: "button", class: "tool", title: label, "aria-label": `${label}: ${action}`, onclick }, sign);
    const removed = () => this.#set({ ...this.aus, ...Object.fromEntries(units.filter((name) => this.base[name] !== null).map((name) => [name, 0])) });
    const swapped = () => this.#set({ ...this.aus, ...Object.fromEntries(units.map((name) => [name, this.aus[anatomy.units.get(name).mirror]])) });
    return [tool("✕", "Remove", removed), units.length > 1 ? tool("⇄", "Mirror", swapped) : null];
  }

  #mirror() {
    const { units } = this.world.anatomy;
    this.#set(Object.fromEntries(Object.keys(this.aus).map((name) => [name, this.aus[units.get(name).mirror]])));
  }

  #set(aus) {
    this.aus = { ...aus };
    this.#draw();
    this.#ask();
  }

  /** One question at a time, always the newest. */
  async #ask() {
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    try {
      do {
        this.#again = false;
        this.#show(await api.explain({ aus: this.aus }), true);
      } while (this.#again);
    } catch (error) {
      this.world.fail(error);
    } finally {
      this.#asking = false;
    }
  }

  async #askModel(model) {
    this.world.say(`Asking ${model} ...`);
    try {
      this.#show(await api.explain({ aus: this.aus, model, picture: await this.entry.dataUri() }), false);
      this.world.say("");
    } catch (error) {
      this.world.fail(error);
    }
  }

  async #smallest() {
    try {
      const found = await api.counterfactual(this.aus, this.toward.value);
      if (!found.changes.length) {
        const wanted = this.toward.value ? `Nothing that three measured actions can do gives ${this.toward.value}, or that is the label already.` : "No change of three measured actions gives another label.";
        this.flip.replaceChildren(wanted);
        return;
      }
      const words = changeWords(found.changes, this.world.anatomy.units);
      this.flip.replaceChildren(`Changing ${words} gives ${found.expression} (${percent(found.probabilities[found.expression])}).`);
      this.#set(found.aus);
    } catch (error) {
      this.world.fail(error);
    }
  }

  #show(reply, byRules) {
    const { anatomy } = this.world;
    this.#spotlight.clear();
    for (const [name, { input }] of this.#sliders) this.#spotlight.add(input, [name]);
    const before = this.face.expression;
    const share = reply.probabilities?.[reply.expression];
    const label = reply.expression ?? "uncertain";
    this.outcome.replaceChildren(
      el("p", { class: "label" }, label, " ", share === undefined ? null : el("span", { class: "certainty" }, percent(share))),
      before && label !== before ? el("p", { class: "checks" }, `The picture itself: ${before}.`) : null,
      probabilityBars(reply.probabilities));
    this.text.replaceChildren(claimText(reply, anatomy.units, this.#spotlight));
    this.answerer.textContent = byRules
      ? "Here the rules answer: a classifier on the action units, and a text composed from them. They do not look at the picture."
      : `Answered by ${reply.model}, which looked at the picture and was given these action units. Moving a slider asks the rules again.`;
    this.#draw();
  }

  #draw() {
    const { anatomy, vocabulary } = this.world;
    const points = anatomy.moved(this.points, this.base, this.aus);
    const all = [...this.points, ...points];
    const [xs, ys] = [all.map((p) => p[0]), all.map((p) => p[1])];
    const room = 0.06 * (Math.max(...ys) - Math.min(...ys));
    const box = [Math.min(...xs) - room, Math.min(...ys) - room, Math.max(...xs) - Math.min(...xs) + 2 * room, Math.max(...ys) - Math.min(...ys) + 2 * room];
    this.drawing.setAttribute("viewBox", box.map((n) => n.toFixed(1)).join(" "));
    this.drawing.replaceChildren(
      meshOf(anatomy, this.points, "ghost"), regionsOf(anatomy, points, this.aus, this.#spotlight, vocabulary.trace), meshOf(anatomy, points));
    for (const [name, { input, shown }] of this.#sliders) {
      const value = this.aus[name] ?? 0;
      input.value = value;
      input.style.setProperty("--v", value);
      shown.value = intensity(value);
    }
  }
}
