/** Files of what was found. They are made on request and handed over; nothing is kept. */

import * as api from "./api.js";

/** Hands a file to the browser's downloads. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

const withoutLandmarks = ({ landmarks, ...rest }) => rest;

/** The analyses as `expllm analyze --json` prints them. */
export function asJson(entries) {
  const faces = entries.flatMap((entry) => entry.faces.map(withoutLandmarks));
  return new Blob([JSON.stringify(faces, null, 1), "\n"], { type: "application/json" });
}

/** The same as a table or as a report, written by the server; a report holds the pictures. */
export async function asFile(format, entries) {
  const items = await Promise.all(entries.map(async (entry) => ({
    faces: format === "html" ? entry.faces : entry.faces.map(withoutLandmarks),
    picture: format === "html" && entry.picture ? await entry.dataUri() : null,
  })));
  return api.exported(format, items);
}
