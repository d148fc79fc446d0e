/**
 * A worker that measures faces in the browser, with MediaPipe's build for the web and the same model file as the
 * server's. Pictures come in, 52 blendshapes and 478 landmarks go out, to the page and nowhere else: MediaPipe
 * would report its use to Google, which this file refuses and the worker's policy (CSP) forbids.
 */

const here = new URL("measurer/", self.location.href);
const fetched = self.fetch.bind(self);
self.fetch = (asked, options) => {
  const url = new URL(asked instanceof Request ? asked.url : asked, here);
  return url.origin === here.origin ? fetched(asked, options) : Promise.reject(new TypeError("not from here"));
};

let landmarker = null;

async function opened() {
  const { FaceLandmarker } = await import(new URL("vision_bundle.mjs", here).href);
  const fileset = {
    wasmLoaderPath: new URL("wasm/vision_wasm_module_internal.js", here).href,
    wasmBinaryPath: new URL("wasm/vision_wasm_module_internal.wasm", here).href,
  };
  return FaceLandmarker.createFromOptions(fileset, {
    baseOptions: { modelAssetPath: new URL("face_landmarker.task", here).href, delegate: "CPU" },
    runningMode: "IMAGE", numFaces: 1, outputFaceBlendshapes: true, outputFacialTransformationMatrixes: true,
  });
}

/** Pitch, yaw and roll in degrees, of a matrix column by column: as in the server's `Face.pose`. */
function poseOf(data) {
  if (!data) return null;
  const axis = (column) => { const part = data.slice(4 * column, 4 * column + 3); const long = Math.hypot(...part); return part.map((one) => one / long); };
  const [right, forward, degrees] = [axis(0), axis(2), 180 / Math.PI];
  return [Math.asin(Math.max(-1, Math.min(1, forward[1]))), Math.atan2(forward[0], forward[2]), Math.atan2(-right[1], right[0])].map((one) => one * degrees);
}

self.onmessage = async ({ data: { picture, number } }) => {
  try {
    landmarker ??= await opened();
    if (!picture) {
      self.postMessage({ ready: true });
      return;
    }
    const { width, height } = picture;
    const found = landmarker.detect(picture);
    picture.close();
    const scores = found.faceBlendshapes[0]?.categories ?? [];
    const points = found.faceLandmarks[0]?.map(({ x, y }) => [x * width, y * height]) ?? null;
    self.postMessage({
      number, points, pose: poseOf(found.facialTransformationMatrixes[0]?.data),
      blendshapes: points && Object.fromEntries(scores.map(({ categoryName, score }) => [categoryName, Math.min(1, Math.max(0, score))])),
    });
  } catch (error) {
    self.postMessage({ number, error: String(error?.message ?? error) });
  }
};
