// The inspector of one map: its kernel, its place in the network, its receptive fields, and recorded results.

import { paintPixels, scaleOf } from "./colours.js";
import { $, node, short, sized } from "./dom.js";
import { kernelsOf } from "./kernels.js";
import { mapOf } from "./layers.js";
import { asImage } from "./network/tensor.js";
import { pictureOf } from "./sprites.js";

/** @typedef {import("./network/tensor.js").Layer} Layer */

const MOST_KERNELS = 256;

export class Inspector {
  /**
   * @param {import("./network/network.js").Network} network
   * @param {import("./colours.js").Colours} colours
   * @param {{top: any, preferred: any, names: string[]}} records results of earlier computations
   * @param {(layer: string) => void} choose shows another layer
   */
  constructor(network, colours, records, choose) {
    Object.assign(this, { network, colours, records, choose });
    /** @type {{layer: Layer, map: number, position: number | null} | null} */
    this.shown = null;
    $("inspector-close").addEventListener("click", () => this.close());
  }

  /** Show a map. @param {string} name @param {number} map */
  open(name, map) {
    const layer = this.network.layer(name);
    this.shown = { layer, map, position: null };
    const [height, width] = asImage(layer.shape);
    const isImage = layer.shape.length === 3;
    $("inspector").hidden = false;
    $("inspector-title").textContent = `${name}, ${isImage ? "map" : "unit"} ${map}`;
    $("inspector").dataset.shows = `${name}/${map}`;
    Object.assign($("map"), { width, height });
    $("map-figure").hidden = !isImage;
    this.drawKernels(layer, map);
    this.drawPlace(layer);
    this.drawTop(name, map);
    this.drawPreferred(name, map);
    this.update(this.values, this.pixels);
    $("inspector-title").focus();
  }

  close() {
    this.shown = null;
    $("inspector").hidden = true;
  }

  /** @param {Record<string, any> | null} values of all layers @param {ArrayLike<number> | null} pixels of the input */
  update(values, pixels) {
    Object.assign(this, { values, pixels });
    if (!this.shown) return;
    const { layer, map } = this.shown;
    $("map-value").textContent = values ? "" : "Draw something to see it.";
    if (!values) return;
    const data = mapOf(values[layer.name], map);
    this.colours.paint($("map"), (index) => data[index], { ...scaleOf(data) });
    this.drawField(data);
  }

  /** Show the receptive field of the selected unit, by default the map's strongest. */
  drawField(data) {
    const { layer, position } = this.shown;
    const [rows, columns] = this.network.inputShape;
    const at = position ?? data.indexOf(data.reduce((best, value) => Math.max(best, value)));
    this.at = at;
    const [y, x] = [Math.floor(at / $("map").width), at % $("map").width];
    const [top, left] = [layer.start[0] + y * layer.jump[0], layer.start[1] + x * layer.jump[1]];
    const canvas = $("field");
    const scale = Math.max(1, Math.floor(140 / Math.max(rows, columns)));
    Object.assign(canvas, { width: scale * columns, height: scale * rows });
    const small = node("canvas", { width: columns, height: rows });
    paintPixels(small, this.pixels);
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(small, 0, 0, canvas.width, canvas.height);
    context.strokeStyle = "#ff4040";
    context.lineWidth = 2;
    context.strokeRect(scale * left + 1, scale * top + 1, scale * layer.field[1] - 2, scale * layer.field[0] - 2);
    canvas.dataset.box = [top, left, top + layer.field[0], left + layer.field[1]].join(",");
    const where = layer.shape.length === 3 ? ` at row ${y}, column ${x}${position === null ? ", its highest" : ""}` : "";
    $("map-value").textContent = `${short(data[at])}${where}`;
  }

  /** Select the unit at this position of the map. @param {number | null} position */
  pick(position) {
    if (!this.shown || !this.values) return;
    this.shown.position = position;
    this.update(this.values, this.pixels);
  }

  /** Move the selection by rows down and columns to the right. @param {number} down @param {number} right */
  move(down, right) {
    const { width, height } = $("map");
    const row = Math.min(height - 1, Math.max(0, Math.floor(this.at / width) + down));
    this.pick(row * width + Math.min(width - 1, Math.max(0, (this.at % width) + right)));
  }

  drawKernels(layer, map) {
    const kernels = kernelsOf(this.network, layer, map);
    $("kernels-title").textContent = kernels.title;
    $("kernels-title").hidden = kernels.images.length === 0;
    const scale = scaleOf(kernels.images.flatMap(({ data }) => [...data]));
    const signed = { low: -Math.max(-scale.low, scale.high), high: Math.max(-scale.low, scale.high), isSigned: true };
    $("kernels").replaceChildren(...kernels.images.slice(0, MOST_KERNELS).map(({ rows, columns, data, label }) => {
      const canvas = node("canvas", { width: columns, height: rows, role: "img", "aria-label": label, title: label });
      this.colours.paint(canvas, (index) => data[index], signed);
      return canvas;
    }));
    $("kernels").classList.toggle("large", kernels.images.some(({ columns }) => columns > 12));
  }

  /** Show the layer, its inputs and the layers that read it, as buttons. */
  drawPlace(layer) {
    const readers = this.network.layers.filter(({ inputs }) => inputs.includes(layer.name)).map(({ name }) => name);
    const isShown = (name) => name !== "input" && !this.network.layer(name).showsNothingNew;
    const button = (name) => node("button", { type: "button", onclick: () => this.choose(name) }, name);
    const link = (name) => (isShown(name) ? button(name) : node("span", {}, name));
    const list = (names) => names.flatMap((name, number) => (number ? [", ", link(name)] : [link(name)]));
    const number = this.network.layers.indexOf(layer) + 1;
    $("place").replaceChildren(
      ...list(layer.inputs), " → ", node("b", {}, layer.name), ...(readers.length ? [" → ", ...list(readers)] : []));
    $("place-facts").textContent = `Layer ${number} of ${this.network.layers.length}: ${sized(layer.inputShape)} to ${sized(layer.shape)}, `
      + `${layer.parameters.toLocaleString("en")} parameters; each unit sees ${sized(layer.field)} pixels`;
  }

  /** The best training images of the map, with the receptive field of its strongest unit. */
  drawTop(name, map) {
    const top = this.records.top;
    const layer = top.layers?.[name];
    $("top").hidden = !layer;
    if (!layer) return;
    $("top-images").replaceChildren(...layer.index[map].map((index, place) => {
      const [y0, x0, y1, x1] = layer.boxes[map][place];
      const { width, height } = top.sprite;
      const frame = node("i");
      Object.assign(frame.style, {
        left: `${(100 * Math.max(0, x0)) / width}%`, top: `${(100 * Math.max(0, y0)) / height}%`,
        width: `${(100 * (Math.min(width, x1) - Math.max(0, x0))) / width}%`,
        height: `${(100 * (Math.min(height, y1) - Math.max(0, y0))) / height}%`,
      });
      const label = `train:${top.numbers[index]}, ${this.records.names[top.labels[index]]}: ${short(layer.values[map][place])}`;
      return node("div", { className: "framed", title: label }, pictureOf(top.sprite, index, label), frame);
    }));
  }

  drawPreferred(name, map) {
    const preferred = this.records.preferred[name];
    $("preferred").hidden = !preferred;
    if (!preferred) return;
    const { activation, outcome } = preferred.cards[map];
    $("preferred-image").replaceChildren(pictureOf(preferred.sprite, map, `the preferred image of map ${map}`));
    $("preferred-text").textContent = outcome.startsWith("silent") ? outcome : `reaches ${short(activation)}`;
  }
}
