// The drawing area: strokes by mouse, finger, pen or keys; undo and clear; pictures that cover the drawing.

const STEP = 4; // pixels that an arrow key moves the pen; 1 with Shift

/**
 * One stroke: its points, width and colour.
 * @typedef {{points: [number, number][], width: number, colour: string}} Stroke
 */

export class Drawing {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} changed called after every change of the drawing
   */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.width = 13;
    this.colour = "#000000";
    /** @type {(Stroke | CanvasImageSource & {width: number, height: number})[]} strokes, and pictures laid over all before */
    this.marks = [];
    /** @type {Stroke | null} */
    this.current = null;
    this.pen = [canvas.width / 2, canvas.height / 2];
    this.showsPen = false;
    this.listen();
    this.redraw();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.begin(this.place(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.current) return;
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.extend(this.place(each));
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.current = null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => {
      this.current = null;
      this.redraw();
    });
  }

  /** @param {PointerEvent} event @returns {[number, number]} where it is on the canvas */
  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * this.canvas.width,
      ((event.clientY - box.top) / box.height) * this.canvas.height,
    ];
  }

  /** Arrow keys move the pen, Space or Enter lowers and lifts it. @param {KeyboardEvent} event */
  key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move && event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    if (!move) {
      if (this.current) this.current = null;
      else this.begin([this.pen[0], this.pen[1]]);
    } else {
      const step = event.shiftKey ? 1 : STEP;
      this.pen = this.pen.map((place, axis) => Math.min(this.canvas.width, Math.max(0, place + step * move[axis])));
      if (this.current) this.extend([this.pen[0], this.pen[1]]);
    }
    this.redraw();
    this.drawPen();
  }

  begin(point) {
    this.current = { points: [point], width: this.width, colour: this.colour };
    this.marks.push(this.current);
    this.redraw();
    this.changed();
  }

  extend(point) {
    const { points } = this.current;
    points.push(point);
    this.piece(this.current, points.length - 1);
    this.changed();
  }

  undo() {
    this.marks.pop();
    this.redraw();
    this.changed();
  }

  clear() {
    this.marks = [];
    this.redraw();
    this.changed();
  }

  /** Put a picture over the drawing. @param {any} picture with `width` and `height` */
  lay(picture) {
    this.marks.push(picture);
    this.redraw();
    this.changed();
  }

  /** The picture, if nothing was drawn on it; else null. @returns {any} */
  get picture() {
    const last = this.marks[this.marks.length - 1];
    return last && !("points" in last) ? last : null;
  }

  get isEmpty() {
    return this.marks.length === 0;
  }

  /** @returns {ImageData} what is drawn */
  pixels() {
    if (this.showsPen) this.redraw();
    return this.context.getImageData(0, 0, this.canvas.width, this.canvas.height);
  }

  redraw() {
    const { context, canvas } = this;
    this.showsPen = false;
    canvas.classList.toggle("photograph", this.marks.some((mark) => mark instanceof ImageBitmap));
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    for (const mark of this.marks) {
      if ("points" in mark) mark.points.forEach((_, end) => this.piece(mark, end));
      else this.fit(mark);
    }
  }

  /** Draw one segment of a stroke, up to point `end`. Strokes are always drawn in segments, so redrawing gives the same pixels. */
  piece(stroke, end) {
    const { context } = this;
    context.lineWidth = stroke.width;
    context.strokeStyle = stroke.colour;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(...stroke.points[Math.max(0, end - 1)]);
    context.lineTo(...stroke.points[end]);
    context.stroke();
  }

  /** Draw a picture as large as fits, keeping its aspect ratio. */
  fit(picture) {
    const { context, canvas } = this;
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [scale * picture.width, scale * picture.height];
    context.imageSmoothingEnabled = scale < 1;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  /** Show the pen's position, for keyboard users. */
  drawPen() {
    const { context } = this;
    this.showsPen = true;
    context.lineWidth = 1;
    context.strokeStyle = "#d6303a";
    context.beginPath();
    context.arc(this.pen[0], this.pen[1], this.width / 2 + 2, 0, 2 * Math.PI);
    context.stroke();
  }
}
