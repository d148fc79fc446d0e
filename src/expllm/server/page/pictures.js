/** Pictures of this session: kept in memory, forgotten with the page. */

const SHOWN_SIDE = 1280;
const THUMBNAIL = 96;

/** One picture, or one moment of the camera, with what was found in it. */
export class Entry {
  /**
   * @param {string} name
   * @param {Object} reply of /v1/analyze: faces, audits, warnings, model
   */
  constructor(name, reply) {
    Object.assign(this, { name, faces: reply.faces, audits: reply.audits ?? [], warnings: reply.warnings ?? [], model: reply.model });
    this.chosen = Math.max(0, this.faces.findIndex((face) => face.status === "ok"));
    this.picture = null;
    this.thumbnail = null;
  }

  get face() {
    return this.faces[this.chosen] ?? null;
  }

  get audited() {
    return this.audits[this.chosen] ?? null;
  }

  get size() {
    const face = this.face;
    return { width: face?.image_width ?? this.picture?.width ?? 640, height: face?.image_height ?? this.picture?.height ?? 480 };
  }

  /** The picture as text, for a report or for a model; smaller than it was. */
  async dataUri() {
    const blob = await this.picture.canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
    return new Promise((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result);
      reader.readAsDataURL(blob);
    });
  }

  /** Takes the picture; one that this browser cannot show (HEIC, TIFF) is left out. */
  async show(blob) {
    let bitmap;
    try {
      bitmap = await createImageBitmap(blob);
    } catch {
      return;
    }
    const canvas = scaled(bitmap, Math.min(1, SHOWN_SIDE / Math.max(bitmap.width, bitmap.height)));
    const shown = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
    this.picture = { canvas, width: bitmap.width, height: bitmap.height, url: URL.createObjectURL(shown) };
    this.thumbnail = await this.#thumbnail(bitmap);
    bitmap.close();
  }

  async #thumbnail(bitmap) {
    const canvas = new OffscreenCanvas(THUMBNAIL, THUMBNAIL);
    const box = this.face?.box ?? { x: 0, y: 0, width: bitmap.width, height: bitmap.height };
    const side = Math.min(1.4 * Math.max(box.width, box.height), bitmap.width, bitmap.height);
    const within = (value, most) => Math.min(Math.max(value, 0), most);
    const [x, y] = [within(box.x + (box.width - side) / 2, bitmap.width - side), within(box.y + (box.height - side) / 2, bitmap.height - side)];
    canvas.getContext("2d").drawImage(bitmap, x, y, side, side, 0, 0, THUMBNAIL, THUMBNAIL);
    return URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 }));
  }
}

function scaled(bitmap, factor) {
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * factor)), Math.max(1, Math.round(bitmap.height * factor)));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas;
}

/** A moment of the camera, of which only numbers are kept. */
export function moment(number, reading, size) {
  const name = `camera ${number}`;
  const { aus, expression, probabilities, cot } = reading;
  const landmarks = reading.points.map(([x, y]) => [x, y, 0]);
  const face = {
    input: name, face_id: 0, faces_found: 1, status: "ok", aus, expression, probabilities, cot, landmarks,
    image_width: size.width, image_height: size.height,
  };
  return new Entry(name, { faces: [face], audits: [reading], model: reading.model });
}
