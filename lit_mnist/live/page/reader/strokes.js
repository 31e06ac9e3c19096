// Stroke width by distance transform, its adjustment to MNIST's, and the 28 x 28 frame.

import { gaussian, ofNeighbours } from "./filters.js";
import { boxOf, cut, each, extent, mean, median, padded, range, rounded, sum, where } from "./grid.js";
import { otsu, separability } from "./otsu.js";
import { areas, edgeDistance, label } from "./regions.js";
import { areaMean, enlarged } from "./resample.js";

/** @typedef {import("./grid.js").Grid} Grid */

export const BOX = 20; // MNIST's digits fill a box of 20 pixels, placed by their centre of mass in 28 x 28
export const SIZE = 28;
const THINNEST = 2; // stroke widths in the box that stay as they are, pixels
const THICKEST = 2.6;
const DETAIL = 160; // pixels of the longest side in which strokes are measured and changed

/**
 * Measurements that distinguish writing from other marks; see `lit_mnist/data/reader/strokes.py`.
 * @typedef {{variation: number, separability: number, fill: number, tallness: number, touches: boolean, dropped: number, pieces: number, holes: number}} Strokes
 */

/** @param {Grid} mask @param {Grid} contrast @param {boolean} touches @param {number} dropped @returns {Strokes} */
export function measure(mask, contrast, touches, dropped) {
  const depth = edgeDistance(padded(mask, 1));
  const widths = onRidge(depth);
  const [low] = range(contrast.data);
  const raised = each(contrast, (value) => value - low).data;
  const [height, width] = extent(mask);
  const least = 0.002 * Math.max(height, width) ** 2; // pixels; smaller ones are ragged edges
  const middle = mean(widths);
  return {
    variation: Math.sqrt(mean(widths.map((width) => (width - middle) ** 2))) / middle,
    separability: separability(raised, otsu(raised)),
    fill: mean(cut(mask, boxOf(mask)).data),
    tallness: Math.log(height / width),
    touches,
    dropped,
    pieces: largerThan(label(mask, true), least),
    holes: largerThan(label(where(depth, (value) => value === 0)), least) - 1,
  };
}

function largerThan(labels, least) {
  return Array.from(areas(labels)).filter((area) => area > least).length;
}

/** The middle lines of strokes, where their distance transform is highest. */
function ridge(depth) {
  const highest = ofNeighbours(depth).data;
  return where(depth, (value, index) => value > 0 && value >= highest[index]);
}

function onRidge(depth) {
  const middle = ridge(depth).data;
  const widths = [];
  for (let i = 0; i < middle.length; i++) if (middle[i]) widths.push(depth.data[i]);
  return widths;
}

/**
 * The mask with strokes widened or narrowed so that they have MNIST's width when the digit fills the box. Widening by d on
 * each side changes a digit's length L to L + 2 d and its stroke width w to w + 2 d.
 * @param {Grid} mask @returns {Grid}
 */
export function withWidth(mask) {
  const length = Math.max(...extent(mask));
  const width = 2 * median(onRidge(edgeDistance(padded(mask, 1)))) - 1;
  const target = Math.min(THICKEST, Math.max(THINNEST, (width * BOX) / length));
  const change = (target * length - BOX * width) / (2 * (BOX - target));
  if (Math.abs(change) < 0.5) return mask;
  const wide = padded(mask, Math.ceil(Math.abs(change)) + 1);
  if (change < 0) return narrowed(wide, -change);
  return where(edgeDistance(where(wide, (value) => !value)), (distance) => distance <= change);
}

/** Erode each side by `change` pixels, but keep the centre line of thinner strokes. */
function narrowed(mask, change) {
  const depth = edgeDistance(mask);
  const middle = ridge(depth).data;
  return where(depth, (value, index) => value > change || (middle[index] > 0 && value <= change + 1));
}

/**
 * A smooth-edged mask of the writing, enlarged to a longest side of 160 pixels: the pixels above the threshold, or above half
 * of the highest contrast where that is lower, since enlarging blurs thin lines.
 * @param {Grid} contrast @param {Grid} kept @param {number} threshold @returns {Grid}
 */
export function inDetail(contrast, kept, threshold) {
  const near = ofNeighbours(kept);
  const inked = each(contrast, (value, index) => (near.data[index] ? value : 0));
  let values = padded(cut(inked, boxOf(near)), 1);
  const factor = Math.max(1, DETAIL / Math.max(values.rows, values.columns));
  if (factor > 1) {
    values = gaussian(enlarged(values, rounded(values.rows * factor), rounded(values.columns * factor)), 0.4 * factor);
  }
  const limit = Math.min(threshold, 0.5 * range(values.data)[1]);
  return where(values, (value) => value >= limit);
}

/** The digit in MNIST's form: 28 x 28, 0 to 255, longest side 20, centre of mass in the middle. @param {Grid} mask @returns {Grid} */
export function inFrame(mask) {
  const tight = cut(mask, boxOf(mask));
  const step = Math.max(tight.rows, tight.columns) / BOX;
  const byRow = new Float64Array(tight.rows);
  const byColumn = new Float64Array(tight.columns);
  tight.data.forEach((value, index) => {
    byRow[Math.floor(index / tight.columns)] += value;
    byColumn[index % tight.columns] += value;
  });
  const framed = areaMean(each(tight, (value) => value), edges(byRow, step), edges(byColumn, step));
  return each(framed, (value) => 255 * value);
}

function edges(profile, step) {
  const centre = sum(profile.map((value, place) => value * (place + 0.5))) / sum(profile);
  return Array.from({ length: SIZE + 1 }, (_, i) => centre + step * (i - SIZE / 2));
}
