// Short functions to create and find elements of the page.

/** @param {string} id @returns {any} the element of this id */
export function $(id) {
  return document.getElementById(id);
}

/**
 * Create an element with properties (names with a dash become attributes) and children.
 * @param {string} tag @param {Record<string, any>} properties @param {...(Node | string)} children
 * @returns {any}
 */
export function node(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** @param {number} value @returns {string} with three significant digits */
export function short(value) {
  if (!Number.isFinite(value)) return "–";
  return Number(value.toPrecision(3)).toString();
}

/** @param {number} fraction @returns {string} */
export function percent(fraction) {
  return `${(100 * fraction).toFixed(fraction > 0.9995 || fraction < 0.1 ? 2 : 1)} %`;
}

/** @param {number[]} shape @returns {string} such as 26 × 26 × 32 */
export function sized(shape) {
  return shape.join(" × ");
}
