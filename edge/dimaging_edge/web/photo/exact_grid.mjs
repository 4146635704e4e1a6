// @ts-check
/**
 * The order in which exact pixels are coded: coarse to fine, each between pixels that are known already.
 *
 * A plane is halved six times; at a level the known pixels are those at even rows and columns ("EE", of the plane with
 * steps of 2^level), and three kinds follow: 0 OO (odd row, odd column), 1 EO, 2 OE. Beyond the edge of a phase its last
 * row or column is repeated; an empty phase is 0.
 */

export const LEVELS = 6;
const KINDS = [[1, 1], [0, 1], [1, 0]];
const [EE, OO, EO] = [[0, 0], [1, 1], [0, 1]];

/** @typedef {[number[], number, number]} Tap a phase, and the distance in its rows and columns */

const AROUND = [-1, 0, 1, 2];
/** @type {Tap[]} */
const SQUARE = AROUND.flatMap((row) => AROUND.map((column) => /** @type {Tap} */ ([EE, row, column])));
/**
 * The four nearest taps of each kind, then the twelve around them.
 * @type {Tap[][]}
 */
const TAPS = [
  [
    [EE, 0, 0], [EE, 0, 1], [EE, 1, 0], [EE, 1, 1],
    ...SQUARE.filter(([, row, column]) => row < 0 || row > 1 || column < 0 || column > 1),
  ],
  [
    [EE, 0, 0], [EE, 0, 1], [OO, -1, 0], [OO, 0, 0],
    [EE, -1, 0], [EE, -1, 1], [EE, 1, 0], [EE, 1, 1], [OO, -1, -1], [OO, -1, 1],
    [OO, 0, -1], [OO, 0, 1], [EE, 0, -1], [EE, 0, 2], [OO, -2, 0], [OO, 1, 0],
  ],
  [
    [OO, 0, -1], [OO, 0, 0], [EE, 0, 0], [EE, 1, 0],
    [EO, 0, -1], [EO, 0, 0], [EO, 1, -1], [EO, 1, 0], [EE, 0, -1], [EE, 0, 1],
    [EE, 1, -1], [EE, 1, 1], [OO, -1, -1], [OO, -1, 0], [OO, 1, -1], [OO, 1, 0],
  ],
];

/**
 * A step: the pixels of a kind at a level. Pixel (i, j) is at row + i * stride, column + j * stride.
 * @typedef {{level: number, kind: number, row: number, column: number, stride: number, rows: number, columns: number}} Step
 */

/**
 * Return every step that has pixels, coarse to fine.
 * @param {number} height
 * @param {number} width
 * @returns {Step[]}
 */
export function steps(height, width) {
  const found = [];
  for (let level = LEVELS - 1; level >= 0; level--) {
    for (let kind = 0; kind < KINDS.length; kind++) {
      const [row, column] = KINDS[kind].map((one) => one << level);
      if (row >= height || column >= width) continue;
      const stride = 2 << level;
      const [rows, columns] = [Math.ceil((height - row) / stride), Math.ceil((width - column) / stride)];
      found.push({ level, kind, row, column, stride, rows, columns });
    }
  }
  return found;
}

/**
 * Return of each of the 16 taps where its rows begin, [rows], and what its columns add, [columns]: places in a plane
 * [height * width + 1] whose last value is 0.
 * @param {Step} step
 * @param {number} height
 * @param {number} width
 */
export function taps({ level, kind, rows, columns }, height, width) {
  /**
   * @param {number} count of what is looked up
   * @param {number} size of the plane
   * @param {number} odd whether the phase begins at 1
   * @param {number} shift
   */
  const line = (count, size, odd, shift) => {
    const last = Math.ceil((size - (odd << level)) / (2 << level)) - 1;
    return Int32Array.from({ length: count }, (_, i) => (odd << level) + (2 << level) * Math.max(0, Math.min(last, i + shift)));
  };
  return TAPS[kind].map(([[down, right], row, column]) => {
    if (down << level >= height || right << level >= width) {
      return { row: new Int32Array(rows).fill(height * width), column: new Int32Array(columns) };
    }
    return {
      row: line(rows, height, down, row).map((one) => one * width),
      column: line(columns, width, right, column),
    };
  });
}
