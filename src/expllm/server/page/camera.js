/** The camera: off until pressed. Measured in the browser if the server has the measurer, else by the server. */

import * as api from "./api.js";
import { unitBars, probabilityBars } from "./charts.js";
import { claimText } from "./claims.js";
import { el, percent, svg } from "./dom.js";
import { meshOf, regionsOf } from "./face.js";
import { PictureFilm } from "./film.js";
import { Spotlight } from "./spotlight.js";

const EVERY_MS = 100;
const HELD_MS = 300; // a label is shown once it has lasted so long
const TEXT_MS = 2000; // a text at most so often
const LONGEST_S = 30;
const KEPT_WIDTH = 320;

const rounded = (value) => Math.round(1e4 * value) / 1e4;

function reading(time, { blendshapes, points, pose }) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs), Math.min(...ys)];
  return { time, scores: Object.values(blendshapes).map(rounded), box: [x, y, Math.max(...xs) - x, Math.max(...ys) - y].map(Math.round), pose: pose?.map((one) => Math.round(one)) };
}

export class Camera {
  #stream = null;
  #worker = null;
  #spotlight = new Spotlight();
  #candidate = { label: null, since: 0 };
  #textAt = 0;
  #run = 0;
  #recording = null;

  /**
   * @param {Element} root
   * @param {Object} world vocabulary, anatomy, facts, say(status), fail(error), keep(reading)
   */
  constructor(root, world) {
    this.root = root;
    this.world = world;
    window.addEventListener("pagehide", () => this.stop());
  }

  get running() {
    return this.#stream !== null;
  }

  open() {
    const { facts } = this.world;
    const button = (text, onclick, disabled) => el("button", { type: "button", class: "button", disabled, onclick }, text);
    const agreed = el("input", { type: "checkbox", id: "agreed" });
    this.startButton = button("Start the camera", () => this.start(), true);
    this.stopButton = button("Stop", () => this.stop(), true);
    this.keepButton = button("Keep this moment", () => this.#keep(), true);
    this.recordButton = button(`Record (${LONGEST_S} s at most)`, () => this.#record(), true);
    agreed.addEventListener("change", () => { this.startButton.disabled = !agreed.checked || this.running; });
    this.video = el("video", { playsinline: true, muted: true, "aria-label": "What the camera sees" });
    this.video.muted = true;
    this.drawing = svg("svg", { "aria-hidden": "true" });
    this.light = el("p", { class: "light" }, "The camera is off.");
    this.label = el("p", { class: "label" });
    this.readings = el("div");
    this.text = el("div", { "aria-live": "polite" });
    this.root.replaceChildren(
      el("h2", { id: "camera-title" }, "Camera"),
      el("p", {}, facts.camera
        ? "Pictures are measured in this browser and stay in it: only 52 numbers a picture go to the server."
        : "This server has no measurer for the browser (expllm serve --camera): pictures of the camera go to the server, are analyzed in memory and forgotten."),
      el("p", {}, el("label", {}, agreed, " Everyone in view has been told and agrees.")),
      el("div", { class: "buttons" }, this.startButton, this.stopButton, this.keepButton, facts.camera ? this.recordButton : null),
      this.light,
      el("div", { class: "live" }, el("div", { class: "frame live-frame" }, this.video, this.drawing),
        el("div", {}, this.label, this.text), this.readings));
    this.root.hidden = false;
  }

  close() {
    this.stop();
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  async start() {
    this.startButton.disabled = true;
    try {
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: false });
    } catch (error) {
      this.startButton.disabled = false;
      this.world.fail(new Error(`The camera cannot be used: ${error.message}`));
      return;
    }
    this.video.srcObject = this.#stream;
    await this.video.play();
    for (const one of [this.stopButton, this.keepButton, this.recordButton]) one.disabled = false;
    this.light.textContent = "The camera is on.";
    this.root.classList.add("on");
    this.#loop(++this.#run);
  }

  stop() {
    this.#run++;
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
    this.#worker?.terminate();
    this.#worker = null;
    if (!this.video) return;
    this.video.srcObject = null;
    this.light.textContent = "The camera is off.";
    this.root.classList.remove("on");
    this.#recording = null;
    for (const one of [this.stopButton, this.keepButton, this.recordButton]) one.disabled = true;
    this.startButton.disabled = !this.root.querySelector("#agreed")?.checked;
  }

  /** One picture at a time; those that come meanwhile are dropped. */
  async #loop(run) {
    while (run === this.#run) {
      const began = performance.now();
      try {
        if (this.#recording) {
          await this.#take(this.#recording);
          continue;
        }
        const reading = await (this.world.facts.camera ? this.#measuredHere() : this.#measuredThere());
        if (run !== this.#run) return;
        this.#show(reading);
      } catch (error) {
        if (run !== this.#run) return;
        this.stop();
        this.world.fail(error);
        return;
      }
      await new Promise((resolve) => { setTimeout(resolve, Math.max(0, EVERY_MS - (performance.now() - began))); });
    }
  }

  async #measure() {
    this.#worker ??= new Worker("page/measure.js", { type: "module" });
    const picture = await createImageBitmap(this.video);
    const answer = await new Promise((resolve, reject) => {
      this.#worker.onmessage = ({ data }) => resolve(data);
      this.#worker.onerror = (event) => reject(new Error(event.message || "the measurer cannot be loaded"));
      this.#worker.postMessage({ picture }, [picture]);
    });
    if (answer.error) throw new Error(`The browser cannot measure: ${answer.error}`);
    return answer;
  }

  async #measuredHere() {
    const answer = await this.#measure();
    if (!answer.points) return null;
    return { ...(await api.explain({ blendshapes: answer.blendshapes })), points: answer.points };
  }

  async #measuredThere() {
    const canvas = new OffscreenCanvas(this.video.videoWidth, this.video.videoHeight);
    canvas.getContext("2d").drawImage(this.video, 0, 0);
    const found = await api.analyze(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 }), { model: this.world.facts.rules });
    const face = found.faces[0];
    return face?.aus ? { ...face, ...found.audits[0], points: face.landmarks } : null;
  }

  #show(reading) {
    this.reading = reading;
    const { anatomy, vocabulary } = this.world;
    this.drawing.setAttribute("viewBox", `0 0 ${this.video.videoWidth} ${this.video.videoHeight}`);
    if (!reading) {
      this.drawing.replaceChildren();
      this.label.textContent = "no face in view";
      return;
    }
    const [now, label] = [performance.now(), reading.expression ?? "uncertain"];
    if (label !== this.#candidate.label) this.#candidate = { label, since: now };
    const held = now - this.#candidate.since >= HELD_MS;
    const lively = !this.readings.matches(":hover, :focus-within");
    if (lively) {
      this.#spotlight.clear();
      this.readings.replaceChildren(unitBars(vocabulary, reading.aus, this.#spotlight));
    }
    this.drawing.replaceChildren(
      regionsOf(anatomy, reading.points, reading.aus, this.#spotlight, vocabulary.trace), meshOf(anatomy, reading.points));
    if (!held) return;
    this.label.replaceChildren(label, " ", el("span", { class: "certainty" }, percent(reading.probabilities?.[label] ?? 0)));
    if (now - this.#textAt < TEXT_MS || this.text.matches(":hover, :focus-within")) return;
    this.#textAt = now;
    this.text.replaceChildren(probabilityBars(reading.probabilities), claimText(reading, anatomy.units, this.#spotlight));
  }

  /** Begins a recording, or ends it. */
  #record() {
    if (this.#recording) { this.#recording.over = true; return; }
    this.#recording = { began: performance.now(), names: null, readings: [], pictures: [], over: false };
    this.recordButton.textContent = "Stop recording";
    this.label.textContent = "recording";
    this.text.replaceChildren();
  }

  /** One picture of a recording: its numbers for the server, a small copy for this page alone. */
  async #take(recording) {
    const time = Math.round(performance.now() - recording.began) / 1000;
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = new OffscreenCanvas(KEPT_WIDTH, Math.round(KEPT_WIDTH * height / width));
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    const [answer, copy] = await Promise.all([this.#measure(), canvas.convertToBlob({ type: "image/jpeg", quality: 0.7 })]);
    recording.pictures.push({ time, url: URL.createObjectURL(copy) });
    recording.readings.push(answer.points ? reading(time, answer) : { time });
    if (answer.points) recording.names ??= Object.keys(answer.blendshapes);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.replaceChildren(answer.points ? meshOf(this.world.anatomy, answer.points) : "");
    this.light.textContent = `Recording: ${time.toFixed(0)} s of ${LONGEST_S} s.`;
    if (recording.over || time >= LONGEST_S) await this.#explain(recording, { width, height });
  }

  async #explain({ names, readings, pictures }, { width, height }) {
    this.stop();
    this.recordButton.textContent = `Record (${LONGEST_S} s at most)`;
    if (!names) throw new Error("No face was seen in the recording.");
    this.world.say("Explaining the recording ...");
    const found = await api.course({ names, readings, size: [width, height] });
    this.world.say("");
    this.world.film("Recording of the camera", found, new PictureFilm(pictures));
  }

  #keep() {
    if (this.reading) this.world.keep(this.reading);
  }
}
