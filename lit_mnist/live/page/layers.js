// The maps of one layer or of all, redrawn when the drawing changes; vectors as bars.

import { scaleOf } from "./colours.js";
import { $, node, short, sized } from "./dom.js";
import { asImage } from "./network/tensor.js";

/** @typedef {import("./network/tensor.js").Tensor} Tensor @typedef {import("./network/tensor.js").Layer} Layer */

const ALL = "";
const MOST = 1024; // maps or units of a layer that are shown

/**
 * One map or unit on the page.
 * @typedef {{button: HTMLButtonElement, canvas: HTMLCanvasElement | null, bar: HTMLElement | null}} Cell
 */

export class Layers {
  /**
   * @param {import("./network/network.js").Network} network
   * @param {import("./colours.js").Colours} colours
   * @param {(layer: string, map: number) => void} pressed
   */
  constructor(network, colours, pressed) {
    this.layers = network.layers.filter((layer) => !layer.showsNothingNew);
    this.colours = colours;
    this.pressed = pressed;
    this.usesOwnScale = false;
    /** @type {{layer: Layer, cells: Cell[], legend: HTMLElement, block: HTMLElement, isSeen: boolean}[]} */
    this.blocks = [];
    /** @type {Record<string, Tensor> | null} */
    this.values = null;
    this.observer = new IntersectionObserver((entries) => this.seen(entries), { rootMargin: "200px" });
    this.choose(this.layers.find((layer) => layer.shape.length === 3)?.name ?? ALL);
  }

  /** Show one layer's maps, or all layers'. @param {string} name */
  choose(name) {
    this.chosen = name;
    const names = [ALL, ...this.layers.map((layer) => layer.name)];
    $("layer-tabs").replaceChildren(...names.map((each) => node("button", {
      type: "button",
      onclick: () => this.choose(each),
      "aria-pressed": each === name,
      "data-layer": each,
    }, each || "All layers")));
    this.observer.disconnect();
    this.blocks = this.layers.filter((layer) => name === ALL || layer.name === name).map((layer) => this.blockOf(layer));
    $("layer-blocks").replaceChildren(...this.blocks.map(({ block }) => block));
    this.blocks.forEach(({ block }) => this.observer.observe(block));
    this.draw();
  }

  /** A layer's heading and a button for each map. */
  blockOf(layer) {
    const isImage = layer.shape.length === 3;
    const count = asImage(layer.shape)[2];
    const cells = Array.from({ length: Math.min(count, MOST) }, (_, map) => this.cellOf(layer, map));
    const legend = node("span", { className: "legend" });
    const text = `${layer.kind.replaceAll("_", " ")}, ${sized(layer.shape)}${count > MOST ? `, the first ${MOST}` : ""}`;
    const block = node("div", { className: "block" },
      node("h3", {}, layer.name, node("small", {}, text), legend),
      node("div", { className: isImage ? "grid" : "bars" }, ...cells.map(({ button }) => button)));
    if (isImage) block.style.setProperty("--side", `${Math.min(96, Math.max(44, 2 * layer.shape[1]))}px`);
    return { layer, cells, legend, block, isSeen: true };
  }

  /** @param {Layer} layer @param {number} map @returns {Cell} */
  cellOf(layer, map) {
    const [height, width] = asImage(layer.shape);
    const isImage = layer.shape.length === 3;
    const canvas = isImage ? node("canvas", { width, height }) : null;
    const bar = isImage ? null : node("i");
    const button = node("button", {
      type: "button",
      onclick: () => this.pressed(layer.name, map),
      "aria-label": `${layer.name}, ${isImage ? "map" : "unit"} ${map}`,
      "data-map": map,
    }, canvas ?? bar);
    return { button, canvas, bar };
  }

  seen(entries) {
    for (const entry of entries) {
      const block = this.blocks.find((each) => each.block === entry.target);
      if (block) block.isSeen = entry.isIntersecting;
    }
    this.draw();
  }

  /** @param {Record<string, Tensor> | null} values of all layers; null for an empty drawing */
  show(values) {
    this.values = values;
    this.draw();
  }

  draw() {
    for (const block of this.blocks) {
      block.block.classList.toggle("empty", !this.values);
      if (this.values && block.isSeen) this.drawBlock(block, this.values[block.layer.name]);
    }
  }

  drawBlock({ cells, legend }, value) {
    const channels = asImage(value.shape)[2];
    const shared = scaleOf(value.data);
    cells.forEach(({ canvas, bar }, map) => {
      if (bar) drawBar(bar, value.data[map], shared);
      else {
        const scale = this.usesOwnScale ? scaleOf(mapOf(value, map)) : shared;
        this.colours.paint(canvas, (index) => value.data[index * channels + map], { ...scale, isSigned: shared.isSigned, low: shared.isSigned ? -scale.high : 0 });
      }
    });
    legend.textContent = `${short(shared.low)} to ${short(shared.high)}`;
  }
}

/** A unit's bar: from the middle up for positive values, down for negative ones. */
function drawBar(bar, value, { high, isSigned }) {
  const size = high > 0 ? value / high : 0;
  bar.style.transform = isSigned ? `translateY(-50%) scaleY(${size / 2})` : `scaleY(${size})`;
  bar.className = value < 0 ? "below" : "";
}

/** @param {Tensor} value @param {number} map @returns {Float32Array} one map's values, rows first */
export function mapOf(value, map) {
  const channels = asImage(value.shape)[2];
  return value.data.filter((_, index) => index % channels === map);
}
