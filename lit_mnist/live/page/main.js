// The page: runs the network on the drawing or picture, and updates everything shown.

import { Answer } from "./answer.js";
import { compared } from "./check.js";
import { Colours, paintPixels, scaleOf } from "./colours.js";
import { $, node } from "./dom.js";
import { Drawing } from "./drawing.js";
import { Inspector } from "./inspector.js";
import { Layers } from "./layers.js";
import { Network, standardized } from "./network/network.js";
import { bytesOf, count } from "./network/tensor.js";
import { Unreadable, readDigit } from "./reader/digit.js";
import { doubt } from "./reader/doubt.js";
import { inputOf } from "./reader/pictures.js";
import { listenForPictures, pixelsOf } from "./sources.js";
import { Why } from "./why.js";

const data = JSON.parse($("data").textContent);
const network = new Network(data.network, data.weights);
const shape = network.inputShape;
const scaling = { ...data.scaling, mean: doubles(data.scaling.mean), scale: doubles(data.scaling.scale) };
const samples = samplesOf(data.samples);
const colours = new Colours(data.colours);
const answer = new Answer(data.names);
const inspector = new Inspector(network, colours, { top: data.top, preferred: data.preferred, names: data.names }, chooseLayer);
const layers = new Layers(network, colours, (layer, map) => inspector.open(layer, map));
const why = new Why(network, scaling, showWhy);
const drawing = new Drawing($("pad"), () => {
  sample = null;
  request();
});

/** @type {number | null} the selected sample; null for the drawing */
let sample = null;
let isRequested = false;
let updates = 0;

function doubles(text) {
  return new Float64Array(bytesOf(text).buffer);
}

function samplesOf({ pixels, labels, names, logits }) {
  const bytes = bytesOf(pixels);
  const size = count(shape);
  return names.map((name, i) => ({
    name, label: labels[i], logits: logits[i], pixels: Float64Array.from(bytes.subarray(i * size, (i + 1) * size)),
  }));
}

/** Update the page before the next frame, once for any number of changes. */
function request() {
  if (isRequested) return;
  isRequested = true;
  requestAnimationFrame(() => {
    isRequested = false;
    update();
  });
}

/** @returns {{pixels: Float64Array, digit: any} | null} the network's input; null without a drawing or picture */
function read() {
  if (sample !== null) {
    const { pixels } = samples[sample];
    const isDigit = data.noDigit && shape[0] === 28 && shape[1] === 28;
    return { pixels, digit: isDigit ? readDigit({ rows: 28, columns: 28, data: pixels }) : null };
  }
  if (drawing.isEmpty) return null;
  return inputOf(drawing.picture ? pixelsOf(drawing.picture) : drawing.pixels(), data.reader);
}

function update() {
  why.stop();
  let input = null;
  try {
    input = read();
    $("message").textContent = "";
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    $("message").textContent = `Not read: ${error.message}.`;
  }
  const image = input && standardized(input.pixels, scaling, shape[2]);
  const values = image && network.values(image);
  layers.show(values);
  inspector.update(values, input?.pixels ?? null);
  drawSeen(input?.pixels ?? new Float64Array(count(shape)));
  markSamples();
  if (values) showAnswer(input, image, values);
  else {
    answer.showNothing(drawing.isEmpty ? "Draw something." : "–");
    showWhy(null, true);
  }
  document.documentElement.dataset.updates = String(++updates);
}

function showAnswer(input, image, values) {
  const logits = network.logits(values);
  const probabilities = network.probabilities(logits);
  const highest = Math.max(...probabilities);
  const reason = input.digit && data.noDigit ? doubt(input.digit.strokes, highest, data.noDigit) : null;
  const best = answer.show(probabilities, reason);
  document.documentElement.dataset.answer = data.names[best];
  if ($("why-on").getAttribute("aria-pressed") !== "true") return;
  const chosen = $("why-class").value;
  why.start(image, logits, chosen === "" ? best : Number(chosen));
}

function drawSeen(pixels) {
  paintPixels($("seen"), pixels);
}

/** @param {Float64Array | null} map of occlusion, null for none @param {boolean} isDone */
function showWhy(map, isDone) {
  const canvas = $("why");
  canvas.parentElement.hidden = !map;
  if (!map) return;
  const { low, high } = scaleOf(map);
  const largest = Math.max(-low, high);
  colours.paint(canvas, (pixel) => map[pixel], { low: -largest, high: largest, isSigned: true });
  canvas.dataset.done = String(isDone);
}

function chooseLayer(name) {
  layers.choose(name);
  $("layers").scrollIntoView({ block: "start" });
}

function markSamples() {
  [...$("samples").children].forEach((button, number) => button.setAttribute("aria-pressed", String(number === sample)));
}

function drawSamples() {
  $("samples").replaceChildren(...samples.map(({ pixels, label, name }, number) => {
    const canvas = node("canvas", { width: shape[1], height: shape[0] });
    paintPixels(canvas, pixels);
    const text = label < 0 ? name : `${data.names[label]}, ${name}`;
    return node("button", { type: "button", title: text, "aria-label": text, onclick: () => pickSample(number) }, canvas);
  }));
}

/** Show a sample; grey ones are put on the drawing area, dark on light, so that the user can draw on them. */
function pickSample(number) {
  const picture = node("canvas", { width: shape[1], height: shape[0] });
  const { pixels } = samples[number];
  paintPixels(picture, shape[2] === 1 ? pixels.map((level) => 255 - level) : pixels);
  drawing.marks = [];
  drawing.lay(picture);
  sample = number;
  request();
}

function listen() {
  $("undo").addEventListener("click", () => drawing.undo());
  $("clear").addEventListener("click", () => drawing.clear());
  $("stroke").addEventListener("input", () => (drawing.width = Number($("stroke").value)));
  $("pen").addEventListener("input", () => (drawing.colour = $("pen").value));
  $("own-scale").addEventListener("change", () => {
    layers.usesOwnScale = $("own-scale").checked;
    layers.draw();
  });
  $("why-on").addEventListener("click", () => {
    const isOn = $("why-on").getAttribute("aria-pressed") !== "true";
    $("why-on").setAttribute("aria-pressed", String(isOn));
    $("why-view").hidden = !isOn;
    request();
  });
  $("why-class").addEventListener("change", request);
  $("map").addEventListener("click", (event) => {
    const box = $("map").getBoundingClientRect();
    const [y, x] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    inspector.pick(Math.floor(y * $("map").height) * $("map").width + Math.floor(x * $("map").width));
  });
  $("map").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (!move) return;
    event.preventDefault();
    inspector.move(move[0], move[1]);
  });
  listenForPictures((picture) => drawing.lay(picture), (text) => ($("message").textContent = text));
}

function prove() {
  const { difference, agrees } = compared(network, samples, scaling);
  const mark = $("check");
  mark.className = agrees ? "agrees" : "differs";
  mark.textContent = agrees
    ? `✓ agrees with PyTorch on ${samples.length} pictures (largest difference ${difference.toExponential(0)} of the largest logit)`
    : `✗ differs from PyTorch: ${difference.toExponential(1)} of the largest logit; do not trust this page`;
  mark.dataset.difference = String(difference);
}

$("pen").parentElement.hidden = shape[2] === 1;
$("pad").classList.toggle("grey", shape[2] === 1);
Object.assign($("seen"), { width: shape[1], height: shape[0] });
Object.assign($("why"), { width: shape[1], height: shape[0] });
data.names.forEach((name, number) => $("why-class").append(node("option", { value: String(number) }, name)));
if (data.verdict) {
  const { digits, passed, checks } = data.verdict;
  const failed = checks.filter(([, isPassed]) => !isPassed).map(([check]) => check);
  $("verdict").textContent = `Verdict on occlusion for this network, judged on ${digits} test images: `
    + (passed ? "passes all checks." : `fails ${failed.join(", ")}.`);
}
listen();
drawSamples();
pickSample(0);
update();
document.documentElement.dataset.first = String(Math.round(performance.now()));
setTimeout(() => {
  prove();
  document.documentElement.dataset.ready = "true";
});
