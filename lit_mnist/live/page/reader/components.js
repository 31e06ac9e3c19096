// Which connected pieces of ink belong to the writing, and which are specks, shadows or the desk.

import { where } from "./grid.js";
import { edgeDistance, label } from "./regions.js";

/** @typedef {import("./grid.js").Grid} Grid */

const SPECK = 0.02; // of the writing's ink; smaller pieces are never strokes
const PIECE = 0.15; // of the writing's ink; larger pieces are strokes unless far away, smaller ones only if close
const FAR = 0.5; // of the writing's size
const CLOSE = 0.15;
const ALONG = 0.5; // of its size; a piece that touches more of the border is a shadow or a desk

/**
 * The part of the mask that belongs to one digit, empty if nothing was written: the heaviest piece (preferably one that
 * does not touch the border), and the pieces that join it by weight and distance.
 * @param {Grid} mask @param {Grid} contrast @returns {Grid}
 */
export function writing(mask, contrast) {
  const labels = label(mask, true);
  if (!labels.count) return mask;
  const pieces = measured(labels, contrast);
  const weights = pieces.map((piece) => (piece.atBorder > 0 ? 0.1 * piece.ink : piece.ink));
  const body = weights.indexOf(Math.max(...weights));
  const kept = joined(labels, pieces, body);
  return where(labels, (number) => number > 0 && kept[number - 1]);
}

/** Ink, size and border pixels of each piece. */
function measured(labels, contrast) {
  const pieces = Array.from({ length: labels.count }, () =>
    ({ ink: 0, atBorder: 0, top: Infinity, left: Infinity, bottom: -1, right: -1 }));
  const { rows, columns, data } = labels;
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
    const number = data[y * columns + x];
    if (!number) continue;
    const piece = pieces[number - 1];
    piece.ink += contrast.data[y * columns + x];
    if (y === 0 || x === 0 || y === rows - 1 || x === columns - 1) piece.atBorder++;
    piece.top = Math.min(piece.top, y);
    piece.left = Math.min(piece.left, x);
    piece.bottom = Math.max(piece.bottom, y);
    piece.right = Math.max(piece.right, x);
  }
  return pieces.map((piece) => ({ ...piece, size: Math.max(piece.bottom - piece.top, piece.right - piece.left) + 1 }));
}

/** Which pieces belong to the body: the body itself, and those that join it. */
function joined(labels, pieces, body) {
  if (pieces.length === 1) return [true];
  const gaps = distances(labels, body + 1).map((gap) => gap / pieces[body].size);
  return pieces.map((piece, index) => {
    const weight = piece.ink / pieces[body].ink;
    const isInside = piece.atBorder < ALONG * piece.size || pieces[body].atBorder > 0;
    return index === body || (weight >= SPECK && isInside && gaps[index] < (weight >= PIECE ? FAR : CLOSE));
  });
}

/** The shortest distance from each piece to the body, in pixels. */
function distances(labels, body) {
  const distance = edgeDistance(where(labels, (number) => number !== body));
  const gaps = new Array(labels.count).fill(Infinity);
  labels.data.forEach((number, index) => {
    if (number) gaps[number - 1] = Math.min(gaps[number - 1], distance.data[index]);
  });
  return gaps;
}
