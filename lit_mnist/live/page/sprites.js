// Many small pictures in one.

import { node } from "./dom.js";

/** @typedef {{uri: string, columns: number, width: number, height: number, image?: HTMLImageElement}} Sprite */

/** @param {Sprite} sprite @param {number} number @param {string} label @returns {HTMLCanvasElement} one of its pictures */
export function pictureOf(sprite, number, label) {
  const { columns, width, height } = sprite;
  const canvas = node("canvas", { width, height, role: "img", "aria-label": label });
  sprite.image ??= node("img", { src: sprite.uri });
  sprite.image.decode().then(() => {
    const [x, y] = [(number % columns) * width, Math.floor(number / columns) * height];
    canvas.getContext("2d").drawImage(sprite.image, x, y, width, height, 0, 0, width, height);
  });
  return canvas;
}
