// One digit of one picture: from grey levels to MNIST's 28 x 28, as `lit_mnist/data/reader` reads it.

import { writing } from "./components.js";
import { border, boxOf, cut, extent, range, sum, where } from "./grid.js";
import { findInk } from "./ink.js";
import { shrunk } from "./resample.js";
import { cutOutPage } from "./sheet.js";
import { BOX, SIZE, inDetail, inFrame, measure, withWidth } from "./strokes.js";

/** @typedef {import("./grid.js").Grid} Grid @typedef {import("./strokes.js").Strokes} Strokes */

const LONGEST = 1024; // pixels of the longest side after reduction
const SMALLEST = 8; // pixels of a picture's shorter side
const LEAST = 0.03; // of the picture's longest side; smaller marks are noise

/** A picture that holds no digit. */
export class Unreadable extends Error {}

/**
 * 28 x 28 pixels, 0 to 255, light on dark; and the measured strokes before their width was changed.
 * @typedef {{pixels: Grid, strokes: Strokes}} Digit
 */

/** @param {Grid} grey 0 to 255; an image of MNIST keeps its pixels @returns {Digit} */
export function readDigit(grey) {
  if (isMnist(grey)) {
    const kept = where(grey, (value) => value > 0);
    return { pixels: grey, strokes: digitOf({ contrast: grey, threshold: 127.5 }, kept, 0).strokes };
  }
  if (Math.min(grey.rows, grey.columns) < SMALLEST) {
    throw new Unreadable(`${grey.columns} x ${grey.rows} pixels; accepted: at least ${SMALLEST} x ${SMALLEST}`);
  }
  const ink = findInk(cutOutPage(shrunk(grey, LONGEST)).page);
  const mask = where(ink.contrast, (value) => value >= ink.threshold);
  const kept = writing(mask, ink.contrast);
  const least = Math.max(SMALLEST - 2, LEAST * Math.max(kept.rows, kept.columns));
  if (!boxOf(kept) || Math.max(...extent(kept)) < least) {
    throw new Unreadable("nothing but background; accepted: a digit that differs from its border");
  }
  return digitOf(ink, kept, 1 - inkOn(kept, ink.contrast) / inkOn(mask, ink.contrast));
}

function inkOn(mask, contrast) {
  let total = 0;
  for (let i = 0; i < mask.data.length; i++) if (mask.data[i]) total += contrast.data[i];
  return total;
}

function digitOf(ink, kept, dropped) {
  const box = boxOf(kept);
  const touches = border(kept).some((inked) => inked);
  const around = {
    top: Math.max(0, box.top - 2),
    left: Math.max(0, box.left - 2),
    bottom: Math.min(kept.rows, box.bottom + 2),
    right: Math.min(kept.columns, box.right + 2),
  };
  const contrast = cut(ink.contrast, around);
  const mask = inDetail(contrast, cut(kept, around), ink.threshold);
  return { pixels: inFrame(withWidth(mask)), strokes: measure(mask, contrast, touches, dropped) };
}

/** Whether a picture has MNIST's form: a box of 20 pixels with its centre of mass in the middle of 28. @param {Grid} grey @returns {boolean} */
export function isMnist(grey) {
  if (grey.rows !== SIZE || grey.columns !== SIZE || range(grey.data)[1] < 254) return false;
  const total = sum(grey.data);
  const centres = [
    sum(grey.data.map((value, index) => value * Math.floor(index / SIZE))) / total,
    sum(grey.data.map((value, index) => value * (index % SIZE))) / total,
  ];
  const longest = Math.max(...extent(where(grey, (value) => value > 0)));
  return centres.every((centre) => centre >= 13.45 && centre <= 14.5) && (longest === BOX - 1 || longest === BOX);
}
