/** What a timeline runs along: a video file, or the small pictures of a recording. Both stay in this browser. */

import { el } from "./dom.js";

/** A file, as the browser plays it. */
export class VideoFilm {
  constructor(file) {
    this.url = URL.createObjectURL(file);
    this.element = el("video", { src: this.url, controls: true, playsinline: true, preload: "auto", "aria-label": "The video" });
    this.element.muted = true;
    for (const name of ["timeupdate", "seeking"]) this.element.addEventListener(name, () => this.onTime?.(this.element.currentTime));
    this.element.addEventListener("play", () => this.#follow());
    this.element.addEventListener("error", () => { if (this.url) this.onFault?.(); });
  }

  #follow() {
    this.onTime?.(this.element.currentTime);
    if (!this.element.paused) requestAnimationFrame(() => this.#follow());
  }

  /** Captions for the player, as WebVTT. */
  caption(text) {
    this.captions = URL.createObjectURL(new Blob([text], { type: "text/vtt" }));
    this.element.append(el("track", { kind: "captions", label: "Episodes", srclang: "en", src: this.captions }));
  }

  seek(time) {
    this.element.currentTime = time;
  }

  toggle() {
    if (this.element.paused) this.element.play();
    else this.element.pause();
  }

  close() {
    this.element.pause();
    for (const url of [this.url, this.captions]) if (url) URL.revokeObjectURL(url);
    this.url = null;
    this.element.removeAttribute("src");
  }
}

/** Pictures with their times, as [{time, url}]. */
export class PictureFilm {
  #playing = null;
  time = 0;

  constructor(pictures) {
    this.pictures = pictures;
    this.picture = el("img", { alt: "What the camera saw", src: pictures[0]?.url });
    const play = el("button", { type: "button", class: "button small", onclick: () => this.toggle() }, "Play");
    this.play = play;
    this.element = el("div", {}, this.picture, el("div", { class: "buttons" }, play));
  }

  seek(time) {
    this.time = time;
    const shown = this.pictures.findLast((one) => one.time <= time + 1e-3) ?? this.pictures[0];
    if (shown && this.picture.src !== shown.url) this.picture.src = shown.url;
    this.onTime?.(time);
  }

  toggle() {
    const last = this.pictures.at(-1)?.time ?? 0;
    const going = this.#playing === null;
    this.play.textContent = going ? "Pause" : "Play";
    cancelAnimationFrame(this.#playing);
    this.#playing = null;
    if (!going) return;
    const began = performance.now() - 1000 * (this.time >= last ? 0 : this.time);
    const step = () => {
      this.seek(Math.min((performance.now() - began) / 1000, last));
      if (this.time >= last) this.toggle();
      else this.#playing = requestAnimationFrame(step);
    };
    this.#playing = requestAnimationFrame(step);
  }

  close() {
    if (this.#playing !== null) this.toggle();
    for (const { url } of this.pictures) URL.revokeObjectURL(url);
  }
}
