/** A video explained over time: its player, its timeline, and the text of the episode at the cursor. */

import * as api from "./api.js";
import { claimText } from "./claims.js";
import { probabilityBars } from "./charts.js";
import { el } from "./dom.js";
import { save } from "./downloads.js";
import { VideoFilm } from "./film.js";
import { Spotlight } from "./spotlight.js";
import { Timeline, title } from "./timeline.js";

const POLL_MS = 400;
const FILES = { "report.html": "report (HTML)", "events.csv": "events (CSV)", "frames.csv": "frames (CSV)", "episodes.eaf": "ELAN", "episodes.vtt": "captions" };

const counted = (all, one, many = `${one}s`) => `${all.length} ${all.length === 1 ? one : many}`;

export class VideoView {
  #id = null;
  #film = null;
  #run = 0;
  #shown = null;

  /**
   * @param {Element} root
   * @param {Object} world anatomy, facts, say(status), fail(error)
   */
  constructor(root, world) {
    this.root = root;
    this.world = world;
    window.addEventListener("pagehide", () => this.#forget());
  }

  /** Has a file analysed by the server, and shows what came of it. */
  async send(file, mirrored) {
    this.close();
    const run = ++this.#run;
    if (file.size > this.world.facts.video_bytes) throw new Error(`${file.name} is too large: a video may have at most ${Math.floor(this.world.facts.video_bytes / 2 ** 20)} MiB.`);
    const bar = el("progress", { max: 1, "aria-label": "Progress" });
    const left = el("p", { class: "checks" }, "Sending ...");
    this.#open(file.name, bar, left, el("div", { class: "buttons" }, el("button", { type: "button", class: "button", onclick: () => this.close() }, "Cancel")));
    let job = await api.sendVideo(file, { mirrored });
    if (run !== this.#run) { api.deleteVideo(job.id); return; }
    this.#id = job.id;
    while (job.state === "queued" || job.state === "running") {
      if (job.progress === null) bar.removeAttribute("value");
      else bar.value = job.progress;
      left.textContent = job.state === "queued" ? "Waiting for another video ..." : `${job.frames} frames${job.eta_s === null ? "" : `, about ${Math.ceil(job.eta_s)} s left`}`;
      await new Promise((resolve) => { setTimeout(resolve, POLL_MS); });
      if (run !== this.#run) return;
      job = await api.videoState(job.id);
    }
    if (run !== this.#run) return;
    if (job.error) throw new Error(job.error.message);
    const [found, captions] = await Promise.all([api.videoResult(job.id), api.videoFile(job.id, "episodes.vtt")]);
    const film = new VideoFilm(file);
    film.caption(await captions.text());
    this.show(file.name, found, film);
  }

  /** Shows what came of a video or of a recording. */
  show(name, found, film) {
    this.#film = film;
    this.found = found;
    this.timeline = new Timeline(found, this.world.anatomy.units, (time) => film.seek(time));
    this.text = el("div", { class: "reading", "aria-live": "polite" });
    this.note = el("p", { class: "checks" });
    const lines = [...found.warnings, ...found.damage];
    this.#open(name,
      el("p", { class: "checks" }, `${found.frames} frames, ${counted(found.people, "person", "people")}, ${counted(found.events, "event")}, ${counted(found.episodes, "episode")}. Nobody is recognised: a person is a track. Rules write the texts.`),
      el("div", { class: "film-grid" }, el("div", { class: "film" }, film.element, this.note), this.text),
      this.timeline.element,
      lines.length ? el("ul", { class: "warnings", "aria-label": "Warnings" }, lines.map((line) => el("li", {}, line))) : null,
      this.#buttons(found));
    film.onTime = (time) => this.#at(time);
    film.onFault = () => { this.note.textContent = "This browser cannot play the file; the timeline works without it."; film.seek = (time) => this.#at(time); };
    film.seek(found.episodes[0]?.apex ?? found.span[0]);
    this.#at(found.episodes[0]?.apex ?? found.span[0]);
    this.root.querySelector("h2").focus();
  }

  close() {
    this.#run++;
    this.#forget();
    this.root.hidden = true;
    this.root.replaceChildren();
  }

  #forget() {
    if (this.#id) api.deleteVideo(this.#id);
    this.#id = null;
    this.#film?.close();
    this.#film = null;
    this.#shown = null;
  }

  #open(name, ...children) {
    this.root.replaceChildren(el("h2", { id: "video-title", tabindex: "-1" }, name), ...children.filter(Boolean));
    this.root.hidden = false;
  }

  #buttons(found) {
    const small = (text, onclick) => el("button", { type: "button", class: "button small", onclick }, text);
    const id = this.#id;
    const files = id
      ? Object.entries(FILES).map(([file, text]) => small(text, () => api.videoFile(id, file).then((blob) => save(blob, file), this.world.fail)))
      : [small("JSON", () => save(new Blob([JSON.stringify(found, null, 1), "\n"], { type: "application/json" }), "recording.json"))];
    return el("div", { class: "buttons actions" }, el("span", { role: "group", "aria-label": "Download" }, "Download: ", files), small("Forget this video", () => this.close()));
  }

  #at(time) {
    const episode = this.found.episodes.findLast(({ start, end }) => start <= time + 0.02 && time <= end + 0.02) ?? null;
    this.timeline.at(time, episode);
    if (this.#shown?.episode === episode) return;
    this.#shown = { episode };
    const spotlight = new Spotlight();
    for (const [bar, event] of this.timeline.bars) {
      if (!episode || event.person === episode.person) spotlight.add(bar, [event.unit], { source: false });
    }
    this.text.replaceChildren(...episode ? this.#told(episode, spotlight) : [el("p", { class: "checks" }, "No episode at this moment.")]);
  }

  #told(episode, spotlight) {
    const audited = this.found.audits[this.found.episodes.indexOf(episode)];
    const times = audited?.times.map((claim) => ({ ...claim, reason: claim.reason || "fits the course", measured: Object.fromEntries([...claim.units, ...claim.others].map((unit) => [unit, null])) })) ?? [];
    return [
      el("h3", {}, title(episode)),
      claimText(audited && { ...audited, claims: [...audited.claims, ...times] }, this.world.anatomy.units, spotlight),
      probabilityBars(episode.probabilities),
      episode.warnings.length ? el("ul", { class: "warnings", "aria-label": "Warnings" }, episode.warnings.map((line) => el("li", {}, line))) : "",
    ];
  }
}
