/** The page: takes pictures in, asks the server, shows what it answers. Everything is forgotten with the page. */

import * as api from "./api.js";
import { Camera } from "./camera.js";
import { comparison } from "./compare.js";
import { byId, el } from "./dom.js";
import { asFile, asJson, save } from "./downloads.js";
import { Anatomy } from "./face.js";
import { Entry, moment } from "./pictures.js";
import { labelOf, resultOf } from "./result.js";
import { VideoView } from "./video.js";
import { WhatIf } from "./whatif.js";

const entries = [];
const compared = new Set();
let current = null;
let moments = 0;

const world = {
  facts: null, vocabulary: null, anatomy: null,
  say: (text) => { byId("status").textContent = text; byId("alert").textContent = ""; },
  fail: (error) => { byId("status").textContent = ""; byId("alert").textContent = error.message; },
  keep: (reading) => add(moment(++moments, reading, { width: camera.video.videoWidth, height: camera.video.videoHeight })),
  film: (name, found, film) => { video.close(); video.show(name, found, film); },
};
const video = new VideoView(byId("video"), world);
const camera = new Camera(byId("camera"), world);
const whatIf = new WhatIf(byId("whatif"), world);

/** Where pictures go, for this very server. */
function privacy({ local, camera: measurer, video: taken }) {
  const where = local ? `the ExpLLM server on this computer (${location.host})` : `the ExpLLM server at ${location.host}, which is another computer,`;
  const live = measurer ? " Pictures of the camera stay in this browser: only numbers are sent." : "";
  return `Pictures${taken ? " and videos" : ""} go to ${where} and to nobody else; they are analyzed in memory and not kept.${live} This page forgets everything when it is closed.`;
}

function add(entry) {
  entries.push(entry);
  show(entry);
}

function show(entry) {
  current = entry;
  whatIf.close();
  const result = byId("result");
  result.replaceChildren(...resultOf(entry, world, {
    choose: (number) => { entry.chosen = number; show(entry); },
    whatIf: () => { whatIf.open(entry, entry.face); byId("whatif").scrollIntoView({ block: "start" }); },
    download: (format) => download(format, [entry]),
  }).filter(Boolean));
  result.hidden = false;
  byId("skip").hidden = !byId("reading");
  showHistory();
}

function showHistory() {
  const history = byId("history");
  history.hidden = entries.length < 2;
  history.replaceChildren(el("h2", {}, "This session"), el("ul", {}, entries.map((entry) => {
    const box = el("input", { type: "checkbox", checked: compared.has(entry), "aria-label": `compare ${entry.name}` });
    box.addEventListener("change", () => { compared[box.checked ? "add" : "delete"](entry); showComparison(); });
    return el("li", {},
      el("button", { type: "button", class: "entry", "aria-current": entry === current ? "true" : null, onclick: () => show(entry) },
        entry.thumbnail ? el("img", { src: entry.thumbnail, alt: "", width: 48, height: 48 }) : el("span", { class: "no-thumbnail" }),
        el("span", {}, entry.name, el("br"), entry.face ? labelOf(entry.face) : "no face")),
      entry.face ? el("label", {}, box, " compare") : null);
  })), el("div", { class: "buttons" },
    el("button", { type: "button", class: "button small", onclick: () => download("csv", entries.filter(({ face }) => face)) }, "Table of all (CSV)"),
    el("button", { type: "button", class: "button small", onclick: () => download("html", entries.filter(({ face }) => face)) }, "Report of all (HTML)"),
    el("button", { type: "button", class: "button small", onclick: forget }, "Forget all")));
}

function showComparison() {
  const chosen = entries.filter((entry) => compared.has(entry));
  const section = byId("compare");
  section.hidden = chosen.length < 2;
  section.replaceChildren(el("h2", { id: "compare-title" }, "Side by side"), chosen.length > 1 ? comparison(chosen, world.vocabulary) : "");
}

function forget() {
  for (const { picture, thumbnail } of entries) {
    if (picture) URL.revokeObjectURL(picture.url);
    if (thumbnail) URL.revokeObjectURL(thumbnail);
  }
  entries.length = 0;
  compared.clear();
  video.close();
  current = null;
  whatIf.close();
  showComparison();
  for (const id of ["result", "history", "skip"]) byId(id).hidden = true;
  world.say("Everything was forgotten.");
}

async function download(format, chosen) {
  try {
    const blob = format === "json" ? asJson(chosen) : await asFile(format, chosen);
    save(blob, `expllm.${format}`);
  } catch (error) {
    world.fail(error);
  }
}

async function analyze(blob, name) {
  if (blob.size > world.facts.body_bytes) {
    throw new Error(`${name} is too large: a picture may have at most ${Math.floor(world.facts.body_bytes / 2 ** 20)} MiB.`);
  }
  const reply = await api.analyze(blob, { model: byId("model").value, mirrored: byId("mirrored").checked });
  for (const face of reply.faces) face.input = name;
  const entry = new Entry(name, reply);
  await entry.show(blob);
  return entry;
}

const isVideo = (file) => file.type.startsWith("video/") || /\.(mkv|mov|avi|m4v|mts|m2ts|wmv|flv)$/i.test(file.name);

async function take(files) {
  for (const file of files) {
    const name = file.name || "picture";
    world.say(`Looking at ${name} ...`);
    try {
      if (isVideo(file)) {
        if (!world.facts.video) throw new Error(`${name} is a video: this server takes pictures only (expllm serve --video takes both).`);
        await video.send(file, byId("mirrored").checked);
        world.say("");
        continue;
      }
      add(await analyze(file, name));
      world.say("");
    } catch (error) {
      if (isVideo(file)) video.close();
      world.fail(error);
    }
  }
}

async function example(name) {
  const reply = await fetch(`page/${name}`);
  await take([new File([await reply.blob()], name, { type: "image/jpeg" })]);
}

function listen() {
  byId("file").addEventListener("change", ({ target }) => { take([...target.files]); target.value = ""; });
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    take([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (files.length) take(files);
  });
  byId("camera-open").addEventListener("click", ({ target }) => {
    const opening = byId("camera").hidden;
    camera[opening ? "open" : "close"]();
    target.setAttribute("aria-expanded", String(opening));
  });
  byId("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    api.useKey(byId("key").value);
    begin().catch(world.fail);
  });
}

function showExamples(names) {
  let heads = 0; // what a head was rendered to show would bias whoever looks
  const title = (name) => (name.startsWith("render_") ? `rendered head ${++heads}` : name.replace(/\.\w+$/, ""));
  byId("examples").replaceChildren(el("span", { class: "hint" }, "Examples:"), ...names.map((name) =>
    el("button", { type: "button", class: "example", onclick: () => example(name) },
      el("img", { src: `page/${name}`, alt: "", width: 56, height: 56 }), title(name))));
}

async function begin() {
  const { facts } = world;
  const [words, mesh, regions] = await Promise.all([api.vocabulary(), api.asset("face_mesh.json"), api.asset("au_regions.json")]);
  world.vocabulary = words;
  world.anatomy = new Anatomy(mesh, regions, words);
  byId("key-form").hidden = true;
  showExamples(facts.examples);
  document.body.classList.add("ready");
  if (facts.examples.length) await example(facts.examples[0]);
}

async function open() {
  world.facts = await api.serverFacts();
  byId("privacy").textContent = privacy(world.facts);
  if (world.facts.video) {
    byId("file").accept += ",video/*,.mkv";
    byId("choose").textContent = "Choose a picture or a video";
  }
  byId("model").replaceChildren(...world.facts.models.map((name) => el("option", { value: name },
    name === world.facts.rules ? `${name} (rules)` : name)));
  listen();
  if (world.facts.needs_key) {
    byId("key-form").hidden = false;
    world.say("This server needs a key.");
  } else {
    await begin();
  }
}

open().catch(world.fail);
