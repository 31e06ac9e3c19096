// Grey pictures and masks as grids, and the few NumPy operations that the reader needs.

/**
 * Rows and columns of numbers: grey levels 0 to 255, contrast, or a mask of 0 and 1.
 * @typedef {{rows: number, columns: number, data: Float64Array | Uint8Array | Int32Array}} Grid
 */

/** @param {number} rows @param {number} columns @param {number} value @returns {Grid} */
export function filled(rows, columns, value = 0) {
  return { rows, columns, data: new Float64Array(rows * columns).fill(value) };
}

/** @param {Grid} grid @param {(value: number, index: number) => number} rule @returns {Grid} */
export function each(grid, rule) {
  const data = new Float64Array(grid.data.length);
  for (let i = 0; i < data.length; i++) data[i] = rule(grid.data[i], i);
  return { rows: grid.rows, columns: grid.columns, data };
}

/** @param {Grid} grid @param {(value: number, index: number) => boolean} test @returns {Grid} a mask */
export function where(grid, test) {
  const data = new Uint8Array(grid.data.length);
  for (let i = 0; i < data.length; i++) data[i] = test(grid.data[i], i) ? 1 : 0;
  return { rows: grid.rows, columns: grid.columns, data };
}

/** @param {Grid} grid @returns {Grid} transposed */
export function transposed(grid) {
  const { rows, columns, data } = grid;
  const out = data.slice();
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) out[x * rows + y] = data[y * columns + x];
  return { rows: columns, columns: rows, data: out };
}

/** @param {Grid} grid @param {number} margin @returns {Grid} with zeros around it */
export function padded(grid, margin) {
  const rows = grid.rows + 2 * margin;
  const columns = grid.columns + 2 * margin;
  const data = new /** @type {any} */ (grid.data.constructor)(rows * columns);
  for (let y = 0; y < grid.rows; y++) {
    data.set(grid.data.subarray(y * grid.columns, (y + 1) * grid.columns), (y + margin) * columns + margin);
  }
  return { rows, columns, data };
}

/**
 * Top, left, bottom and right, the last two not included.
 * @typedef {{top: number, left: number, bottom: number, right: number}} Box
 */

/** @param {Grid} grid @param {Box} box @returns {Grid} */
export function cut(grid, { top, left, bottom, right }) {
  const columns = right - left;
  const data = new /** @type {any} */ (grid.data.constructor)((bottom - top) * columns);
  for (let y = top; y < bottom; y++) {
    data.set(grid.data.subarray(y * grid.columns + left, y * grid.columns + right), (y - top) * columns);
  }
  return { rows: bottom - top, columns, data };
}

/** @param {Grid} mask @returns {Box | null} of all set pixels; null if there are none */
export function boxOf(mask) {
  let [top, left, bottom, right] = [mask.rows, mask.columns, 0, 0];
  for (let y = 0; y < mask.rows; y++) for (let x = 0; x < mask.columns; x++) {
    if (!mask.data[y * mask.columns + x]) continue;
    top = Math.min(top, y);
    bottom = Math.max(bottom, y + 1);
    left = Math.min(left, x);
    right = Math.max(right, x + 1);
  }
  return bottom ? { top, left, bottom, right } : null;
}

/** @param {Grid} mask @returns {[number, number]} height and width of all set pixels */
export function extent(mask) {
  const box = boxOf(mask);
  return [box.bottom - box.top, box.right - box.left];
}

/** @param {Grid} mask @returns {number[]} the outermost pixels: first row, last row, first column, last column */
export function border(mask) {
  const { rows, columns, data } = mask;
  const result = [...data.subarray(0, columns), ...data.subarray((rows - 1) * columns)];
  for (let y = 1; y < rows - 1; y++) result.push(data[y * columns]);
  for (let y = 1; y < rows - 1; y++) result.push(data[y * columns + columns - 1]);
  return result;
}

/** @param {ArrayLike<number>} values @returns {number} */
export function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}

/** @param {ArrayLike<number>} values @returns {number} */
export function mean(values) {
  return sum(values) / values.length;
}

/** @param {ArrayLike<number>} values @returns {[number, number]} the least and the largest */
export function range(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return [low, high];
}

/**
 * A copy with the `count` smallest values at the front, unordered (Hoare's quickselect).
 * @param {ArrayLike<number>} values @param {number} count @returns {Float64Array}
 */
export function partitioned(values, count) {
  const data = Float64Array.from(values);
  const target = Math.min(count, data.length - 1);
  let [left, right] = [0, data.length - 1];
  while (left < right) {
    const pivot = data[(left + right) >> 1];
    let [i, j] = [left, right];
    while (i <= j) {
      while (data[i] < pivot) i++;
      while (data[j] > pivot) j--;
      if (i <= j) {
        const swapped = data[i];
        data[i++] = data[j];
        data[j--] = swapped;
      }
    }
    if (target <= j) right = j;
    else if (target >= i) left = i;
    else break;
  }
  return data;
}

/** @param {ArrayLike<number>} values @returns {number} */
export function median(values) {
  const middle = values.length >> 1;
  const upper = partitioned(values, middle);
  if (values.length % 2) return upper[middle];
  return (range(upper.subarray(0, middle))[1] + upper[middle]) / 2;
}

/** Half to even, as Python rounds. @param {number} value @returns {number} */
export function rounded(value) {
  const whole = Math.floor(value);
  const rest = value - whole;
  if (rest === 0.5) return whole % 2 ? whole + 1 : whole;
  return rest > 0.5 ? whole + 1 : whole;
}
