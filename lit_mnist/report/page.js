"use strict";
// Draws the selection from the data in this page. All sections share one state: the selected
// image, layer and map.

const data = JSON.parse(document.getElementById("data").textContent);
const state = { digit: 0, layer: null, map: 0, ownScale: false };
const $ = (id) => document.getElementById(id);

function bytes(text) {
  const raw = atob(text), out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out;
}

const colours = { sequential: bytes(data.colours.sequential), signed: bytes(data.colours.signed) };

function node(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function canvas(width, height, label) {
  const made = node("canvas", { width, height });
  made.setAttribute("role", "img");
  if (label) made.setAttribute("aria-label", label);
  return made;
}

// levels: bytes, row by row; low and high: the levels at the ends of the colour scale
function paint(target, levels, scale, low = 0, high = 255) {
  const context = target.getContext("2d"), image = context.createImageData(target.width, target.height);
  const table = colours[scale], span = high > low ? high - low : 1;
  for (let i = 0; i < levels.length; i++) {
    const level = Math.min(255, Math.max(0, Math.round((levels[i] - low) / span * 255)));
    image.data.set(table.subarray(3 * level, 3 * level + 3), 4 * i);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return target;
}

function fromSprite(sprite, number, label) {
  const target = canvas(sprite.width, sprite.height, label);
  const x = number % sprite.columns * sprite.width, y = Math.floor(number / sprite.columns) * sprite.height;
  target.getContext("2d").drawImage(sprite.image, x, y, sprite.width, sprite.height, 0, 0, sprite.width, sprite.height);
  return target;
}

function loadSprites() {
  const found = [data.digits, data.mistakes, data.top, ...Object.values(data.preferred || {})].filter(Boolean);
  return Promise.all(found.map(({ sprite }) => {
    sprite.image = new Image();
    sprite.image.src = sprite.uri;
    return sprite.image.decode();
  }));
}

function choices(place, names, chosen, pick, label = (name) => name) {
  place.replaceChildren(...names.map((name) => {
    const button = node("button", { type: "button", onclick: () => pick(name) }, label(name));
    button.setAttribute("aria-pressed", name === chosen);
    button.dataset.choice = name;
    return button;
  }));
}

const percent = (share) => (100 * share).toFixed(share > 0.9995 || share < 0.1 ? 2 : 1) + " %";
const short = (value) => value === null ? "–" : Number(value.toPrecision(3)).toString();
const className = (number) => number < 0 ? "?" : data.names[number] ?? String(number);

// ---- image selection, shared by feature maps and attributions

function drawStrips() {
  document.querySelectorAll(".digits").forEach((strip) => {
    const scrolled = strip.scrollLeft;
    strip.replaceChildren(...data.digits.items.map((item, number) => {
      const guess = item.probabilities.indexOf(Math.max(...item.probabilities));
      const wrong = item.label >= 0 && item.probabilities.length && guess !== item.label;
      const button = node("button", { type: "button", onclick: () => pickDigit(number) },
        fromSprite(data.digits.sprite, number, item.name),
        node("span", { className: wrong ? "wrong" : "" },
          wrong ? `${className(item.label)} as ${className(guess)}` : className(item.label)));
      button.setAttribute("aria-pressed", number === state.digit);
      button.title = item.name;
      return button;
    }));
    strip.scrollLeft = scrolled;
  });
}

function pickDigit(number) {
  state.digit = number;
  drawStrips();
  if (data.maps) { drawAnswer(); drawMaps(); }
  if (data.attributions) drawAttributions();
}

const MOST_CLASSES = 40, RANKED_CLASSES = 10; // with more classes, the most probable ones are shown

function shownClasses(probabilities) {
  const classes = [...probabilities.keys()];
  if (classes.length <= MOST_CLASSES) return classes;
  return classes.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, RANKED_CLASSES);
}

function drawAnswer() {
  const item = data.digits.items[state.digit];
  $("answer").classList.toggle("ranked", item.probabilities.length > MOST_CLASSES);
  $("answer").replaceChildren(...shownClasses(item.probabilities).map((number) => {
    const probability = item.probabilities[number];
    const cell = node("div", { className: number === item.label ? "label" : "" },
      node("b", {}, className(number)), percent(probability));
    cell.style.setProperty("--share", probability);
    return cell;
  }));
  $("answer").dataset.image = item.name;
}

// ---- feature maps and the inspector

function layerMaps(name) {
  const layer = data.maps[name];
  layer.bytes ??= bytes(layer.values);
  const [count, height, width] = layer.shape, size = height * width;
  const first = state.digit * count * size;
  return { ...layer, count, height, width, map: (n) => layer.bytes.subarray(first + n * size, first + (n + 1) * size) };
}

function range(levels) {
  let low = 255, high = 0;
  for (const level of levels) { if (level < low) low = level; if (level > high) high = level; }
  return [low, high];
}

function mapRange(layer, levels) {
  if (!state.ownScale) return [0, 255];
  const [low, high] = range(levels);
  if (!layer.signed) return [0, Math.max(high, 1)];
  const reach = Math.max(128 - low, high - 128, 1);
  return [127.5 - reach, 127.5 + reach];
}

const value = (layer, level) => layer.low[state.digit] + level / 255 * (layer.high[state.digit] - layer.low[state.digit]);

function mapCanvas(layer, number) {
  const levels = layer.map(number), target = canvas(layer.width, layer.height, `map ${number}`);
  return paint(target, levels, layer.signed ? "signed" : "sequential", ...mapRange(layer, levels));
}

function pickLayer(name) {
  state.layer = name;
  state.map = 0;
  choices($("maps-layers"), Object.keys(data.maps), name, pickLayer);
  drawMaps();
}

function pickMap(number) {
  state.map = number;
  [...$("maps-grid").children].forEach((button, n) => button.setAttribute("aria-pressed", n === number));
  drawInspector();
}

function drawMaps() {
  const layer = layerMaps(state.layer), grid = $("maps-grid");
  grid.style.setProperty("--columns", layer.width === 1 ? 16 : 8);
  grid.replaceChildren(...Array.from({ length: layer.count }, (_, number) => {
    const button = node("button", { type: "button", onclick: () => pickMap(number) },
      node("span", {}, String(number)), mapCanvas(layer, number));
    button.setAttribute("aria-pressed", number === state.map);
    return button;
  }));
  $("maps-told").textContent = layer.count < layer.all ? `${state.layer}: the first ${layer.count} of ${layer.all} maps` : "";
  grid.dataset.shows = `${state.layer}/${state.digit}`;
  $("scale-low").textContent = state.ownScale ? "least" : short(layer.low[state.digit]);
  $("scale-high").textContent = state.ownScale ? "most" : short(layer.high[state.digit]);
  paint($("scale-bar"), Uint8Array.from({ length: 128 }, (_, i) => 2 * i), layer.signed ? "signed" : "sequential");
  drawInspector();
}

function drawInspector() {
  const layer = layerMaps(state.layer), [low, high] = range(layer.map(state.map)).map((level) => value(layer, level));
  const unit = layer.width * layer.height === 1;
  const parts = [node("h3", {}, `${state.layer}, ${unit ? "unit" : "map"} ${state.map}`),
    node("p", {}, `${unit ? short(low) : `${short(low)} to ${short(high)}`} for ${data.digits.items[state.digit].name}`),
    node("div", { className: "pair" }, fromSprite(data.digits.sprite, state.digit, "image"), mapCanvas(layer, state.map))];
  parts.push(...inspectedFilter(), ...inspectedTop(), ...inspectedPreferred());
  $("inspector").replaceChildren(...parts);
}

function inspectedFilter() {
  if (!data.filters?.[state.layer]) return [];
  const { shape: [, shown], channels } = data.filters[state.layer], one = isOneImage(state.layer);
  const kernels = one ? [wholeKernel(state.layer, state.map)]
    : Array.from({ length: shown }, (_, channel) => kernel(state.layer, state.map, channel));
  const box = node("div", { className: "kernels" }, ...kernels);
  if (one) box.style.maxWidth = "64px";
  return [node("h4", {}, one ? "Kernel" : `Kernel, ${channelCount(shown, channels)}`), box];
}

function inspectedTop() {
  if (!data.top?.layers[state.layer]) return [];
  if (data.top.layers[state.layer].values[state.map][0] === 0) return [node("h4", {}, "No training image raises it above zero")];
  const count = Math.min(6, data.top.layers[state.layer].index[state.map].length);
  const found = Array.from({ length: count }, (_, rank) => topImage(state.layer, state.map, rank));
  return [node("h4", {}, "Top images"), node("div", { className: "pair row" }, ...found)];
}

function inspectedPreferred() {
  const preferred = data.preferred?.[state.layer];
  if (!preferred) return [];
  const shown = fromSprite(preferred.sprite, state.map, "preferred image");
  return [node("h4", {}, "Preferred image"), node("div", { className: "pair" }, shown, node("p", {}, cardText(preferred.cards[state.map])))];
}

// ---- filters

function kernel(name, map, channel) {
  const layer = data.filters[name];
  layer.bytes ??= bytes(layer.values);
  const [, channels, height, width] = layer.shape, size = height * width;
  const first = (map * channels + channel) * size;
  return paint(canvas(width, height, `kernel ${map}, ${channel}`), layer.bytes.subarray(first, first + size), "signed");
}

const isOneImage = (name) => data.filters[name].colour || data.filters[name].channels === 1;
const channelCount = (shown, channels) => (shown < channels ? `the first ${shown} of ` : "") +
  `${channels} input channel${channels > 1 ? "s" : ""}`;

// the kernels of a map as one image: one channel on the signed scale, or red, green and blue as colours
function wholeKernel(name, map) {
  const layer = data.filters[name];
  if (!layer.colour) return kernel(name, map, 0);
  layer.bytes ??= bytes(layer.values);
  const [, , height, width] = layer.shape, size = height * width;
  const target = canvas(width, height, `kernel ${map}`), context = target.getContext("2d");
  const image = context.createImageData(width, height);
  for (let i = 0; i < size; i++) {
    for (let channel = 0; channel < 3; channel++)
      image.data[4 * i + channel] = layer.bytes[(3 * map + channel) * size + i];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return target;
}

function drawFilters(name) {
  choices($("filters-layers"), Object.keys(data.filters), name, drawFilters);
  const layer = data.filters[name], [maps, shown, height, width] = layer.shape;
  $("filters-told").textContent = `${name}: ${maps} maps, ${channelCount(shown, layer.channels)}, ` +
    `kernels of ${height} × ${width}, scale −${short(layer.high)} to ${short(layer.high)}` +
    (layer.colour ? ", in the colours of the input; zero is grey" : "");
  if (isOneImage(name)) {
    const grid = node("div", { className: "grid" }, ...Array.from({ length: maps }, (_, number) =>
      node("div", {}, node("span", {}, String(number)), wholeKernel(name, number))));
    $("filters-view").replaceChildren(grid);
  } else $("filters-view").replaceChildren(overview(name));
}

function overview(name) {
  const [maps, channels, height, width] = data.filters[name].shape;
  const target = canvas(maps * (width + 1) - 1, channels * (height + 1) - 1, `all kernels of ${name}`);
  const context = target.getContext("2d");
  for (let map = 0; map < maps; map++)
    for (let channel = 0; channel < channels; channel++)
      context.drawImage(kernel(name, map, channel), map * (width + 1), channel * (height + 1));
  target.style.width = `${target.width * Math.max(2, Math.floor(1080 / target.width))}px`;
  return target;
}

// ---- mistakes

let chosenCell = null, mistakesShown = 24;

function drawMistakes() {
  const { items, sprite } = data.mistakes;
  const fitting = items.map((item, number) => ({ item, number }))
    .filter(({ item }) => !chosenCell || (item[1] === chosenCell.true && item[2] === chosenCell.predicted));
  $("mistakes-grid").replaceChildren(...fitting.slice(0, mistakesShown).map(({ item, number }) =>
    node("div", { className: "thumb" }, fromSprite(sprite, number, item[0]),
      node("b", {}, `${className(item[1])} as ${className(item[2])}`), `${percent(item[3])}`, node("br"), item[0])));
  $("mistakes-told").textContent = chosenCell
    ? `${className(chosenCell.true)} taken for ${className(chosenCell.predicted)}: ${fitting.length} shown`
    : `The most confident first: ${Math.min(mistakesShown, fitting.length)} of ${items.length}`;
  $("mistakes-more").hidden = fitting.length <= mistakesShown;
}

function pickCell(button) {
  const cell = { true: Number(button.dataset.true), predicted: Number(button.dataset.predicted) };
  const same = chosenCell && chosenCell.true === cell.true && chosenCell.predicted === cell.predicted;
  chosenCell = same ? null : cell;
  document.querySelectorAll(".confusion button").forEach((other) =>
    other.setAttribute("aria-pressed", other === button && !same));
  drawMistakes();
}

// ---- top images and preferred images

let topLayer = null, rowsShown = 16;

function topImage(name, map, rank) {
  const layer = data.top.layers[name], photo = layer.index[map][rank], { sprite } = data.top;
  const [top, left, bottom, right] = layer.boxes[map][rank];
  const box = node("div", { className: "framed", title: `train:${data.top.numbers[photo]}, ${className(data.top.labels[photo])}` },
    fromSprite(sprite, photo, `train:${data.top.numbers[photo]}`));
  if (bottom - top < sprite.height || right - left < sprite.width) {
    const frame = node("i"), share = (v, whole) => `${100 * Math.min(1, Math.max(0, v / whole))}%`;
    Object.assign(frame.style, { left: share(left, sprite.width), top: share(top, sprite.height),
      right: `calc(100% - ${share(right, sprite.width)})`, bottom: `calc(100% - ${share(bottom, sprite.height)})` });
    box.append(frame);
  }
  return box;
}

function drawTop(name) {
  if (name !== topLayer) rowsShown = 16;
  topLayer = name;
  choices($("top-layers"), Object.keys(data.top.layers), name, drawTop);
  const layer = data.top.layers[name], preferred = data.preferred?.[name], count = layer.index.length;
  $("top-view").style.setProperty("--k", layer.index[0].length + (preferred ? 1 : 0));
  $("top-view").style.setProperty("--preferred", preferred ? 1 : 0);
  $("top-view").replaceChildren(...layer.index.slice(0, rowsShown).map((best, map) => {
    const silent = node("p", { className: "silent" }, "silent: no image raises it above zero");
    const row = node("div", { className: "toprow" }, node("b", {}, String(map)), ...layer.values[map][0] === 0 ? [silent] : best.map((_, rank) =>
      node("div", {}, topImage(name, map, rank), short(layer.values[map][rank]))));
    if (preferred) row.append(node("div", { className: "preferred" }, fromSprite(preferred.sprite, map, "preferred image"), "preferred"));
    return row;
  }));
  $("top-more").hidden = rowsShown >= count;
}

function cardText(card) {
  if (card.outcome.startsWith("silent")) return card.outcome;
  return card.ratio === null ? short(card.activation) : `${short(card.ratio)} × data`;
}

function drawPreferred(name) {
  choices($("preferred-layers"), Object.keys(data.preferred), name, drawPreferred);
  const layer = data.preferred[name];
  $("preferred-view").replaceChildren(...layer.names.map((target, number) => node("div", { className: "thumb" },
    fromSprite(layer.sprite, number, `preferred by ${target}`), node("b", {}, target), cardText(layer.cards[number]))));
}

// ---- attributions

let method = null;

function attributionCanvas(record, digit) {
  const [height, width] = data.attributions.shape, size = height * width;
  record.bytes ??= bytes(record.values);
  const row = data.attributions.digits.indexOf(digit);
  return paint(canvas(width, height, record.method), record.bytes.subarray(row * size, (row + 1) * size), "signed");
}

const plain = (name) => name.replaceAll("_", " ");
const grade = ({ passed }) => passed === null ? "" : passed ? "pass" : "fail";
const judgement = (record) => record.passed === null ? "" : record.passed ? "✓ " : "✗ ";

function drawAttributions() {
  const { methods, digits, targets } = data.attributions, item = data.digits.items[state.digit];
  $("explained-told").textContent = `${item.name}, explained: ${targets[digits.indexOf(state.digit)]}`;
  const first = node("div", { className: "thumb" }, fromSprite(data.digits.sprite, state.digit, item.name), node("b", {}, "image"));
  $("methods-view").replaceChildren(first, ...methods.map((record) => {
    const mark = node("span", { className: grade(record) }, judgement(record));
    return node("div", { className: "thumb" }, attributionCanvas(record, state.digit), mark, plain(record.method));
  }));
  $("methods-view").dataset.shows = item.name;
}

function pickMethod(name) {
  method = data.attributions.methods.find((record) => record.method === name);
  choices($("method-tabs"), data.attributions.methods.map((record) => record.method), name, pickMethod, plain);
  const lines = method.verdicts.map((verdict) => {
    const mark = verdict.passed === null ? "–" : verdict.passed ? "✓" : "✗";
    const figure = verdict.value === null ? "does not apply" : `${verdict.value} (${verdict.atMost ? "at most" : "at least"} ${verdict.threshold})`;
    return node("li", {}, node("span", { className: grade(verdict) }, mark + " "), `${verdict.check}: ${figure}; ${verdict.note}`);
  });
  const told = lines.length ? `Judged on ${data.attributions.judged} test digits:` : "Not judged; --verdict_digits 20 judges every method.";
  $("method-told").replaceChildren(node("p", { className: "told" }, told), node("ul", { className: "verdicts" }, ...lines));
  $("method-view").replaceChildren(...data.digits.items.map((item, number) => node("div", { className: "thumb" },
    attributionCanvas(method, number), node("b", {}, className(item.label)), item.name)));
  $("method-view").dataset.shows = name;
}

// ---- start

function markPlace() {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const watch = new IntersectionObserver((entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    links.forEach((link, id) => link.classList.toggle("here", id === entry.target.id));
  }), { rootMargin: "-20% 0px -70% 0px" });
  document.querySelectorAll("section").forEach((section) => watch.observe(section));
}

loadSprites().then(() => {
  drawStrips();
  if (data.mistakes) {
    document.querySelectorAll(".confusion button").forEach((button) => button.addEventListener("click", () => pickCell(button)));
    $("mistakes-more").addEventListener("click", () => { mistakesShown += 48; drawMistakes(); });
    drawMistakes();
  }
  if (data.filters) drawFilters(Object.keys(data.filters)[0]);
  if (data.maps) {
    $("own-scale").addEventListener("change", (event) => { state.ownScale = event.target.checked; drawMaps(); });
    drawAnswer();
    pickLayer(Object.keys(data.maps)[0]);
  }
  if (data.top) {
    $("top-more").addEventListener("click", () => { rowsShown += 32; drawTop(topLayer); });
    drawTop(Object.keys(data.top.layers).at(-1));
  }
  if (data.preferred) drawPreferred(Object.keys(data.preferred).at(-1));
  if (data.attributions) { drawAttributions(); pickMethod(data.attributions.methods[0].method); }
  markPlace();
  document.documentElement.dataset.ready = "true";
});
