/** The server's endpoints. A failure is an Error whose message is the server's own line. */

let key = "";

/** Keeps the key for this session, in memory only. */
export function useKey(given) {
  key = given.trim();
}

async function ask(path, body, type, method = body === undefined ? "GET" : "POST") {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  if (type) headers["Content-Type"] = type;
  let reply;
  try {
    reply = await fetch(path, { method, headers, body, keepalive: method === "DELETE" });
  } catch {
    throw new Error("The server cannot be reached: is it still running?");
  }
  if (reply.ok) return reply;
  let message = `The server answered ${reply.status}.`;
  try {
    message = (await reply.json()).error.message;
  } catch {
    // no JSON: the status has to do
  }
  throw new Error(message);
}

const post = async (path, content) => (await ask(path, JSON.stringify(content), "application/json")).json();

export const serverFacts = async () => (await ask("page/server.json")).json();
export const asset = async (name) => (await ask(`page/${name}`)).json();
export const vocabulary = async () => (await ask("v1/vocabulary")).json();

/** The faces of a picture with landmarks, texts and their claims. */
export async function analyze(blob, { model, mirrored = false, explain = true }) {
  const query = new URLSearchParams({ landmarks: "true", audit: "true", mirrored, explain });
  if (model) query.set("model", model);
  return (await ask(`v1/analyze?${query}`, blob, blob.type || "application/octet-stream")).json();
}

/** What action units show: `{aus}` or `{blendshapes}`, by the rules; with `{model, picture}` by a model. */
export const explain = (asked) => post("v1/explain", asked);

export const counterfactual = (aus, toward) => post("v1/counterfactual", toward ? { aus, toward } : { aus });

/** A video as a job: its id and state. */
export async function sendVideo(blob, { mirrored }) {
  return (await ask(`v1/video?mirrored=${mirrored}`, blob, blob.type || "application/octet-stream")).json();
}
export const videoState = async (id) => (await ask(`v1/video/${id}`)).json();
export const videoResult = async (id) => (await ask(`v1/video/${id}/result`)).json();
export const videoFile = async (id, name) => (await ask(`v1/video/${id}/files/${name}`)).blob();
export const deleteVideo = (id) => ask(`v1/video/${id}`, undefined, null, "DELETE").catch(() => {});

/** What was measured here, explained over time: numbers alone are sent. */
export const course = (recorded) => post("v1/course", recorded);

/** A file of several analyses. */
export async function exported(format, items) {
  return (await ask(`v1/export?format=${format}`, JSON.stringify({ items }), "application/json")).blob();
}
