// @ts-check
/**
 * Projected gradient ascent on one picture, from random starts or from the picture itself; as `attacks/pgd.py`.
 *
 * Madry et al. 2018, arXiv 1706.06083; from the picture itself it is BIM, Kurakin et al. 2017, arXiv 1607.02533.
 * Random starts come from the generator of `random.mjs`, so a seed gives the same start everywhere.
 */
import { uniform } from "../random.mjs";

/** @typedef {import("./threat.mjs").Threat} Threat */
/** @typedef {{ask: (x: Float32Array, label: number) => Promise<import("./oracle.mjs").Answer>}} Asked */
/** @typedef {{x: Float32Array, loss: number, done: boolean, steps: number}} Found the first picture that succeeded, or
 *   the one of the largest loss, and how often the gradient was asked */

/**
 * Return the best picture of several starts.
 * @param {Asked} oracle
 * @param {Float32Array} x
 * @param {number} y its label
 * @param {Threat} threat
 * @param {{steps?: number, step?: number | null, restarts?: number, seed?: number | null,
 *   progress?: (done: number, total: number) => void | Promise<void>}} options step: its length in the unit of eps, by
 *   default 2.5 eps / steps; seed null: the first start is the picture itself
 * @returns {Promise<Found>}
 */
export async function pgd(oracle, x, y, threat, { steps = 40, step = null, restarts = 1, seed = null, progress } = {}) {
  /** @type {Found} */
  const found = { x: x.slice(), loss: -Infinity, done: false, steps: 0 };
  const size = Math.fround(step ?? (2.5 * threat.eps) / steps);
  const box = threat.box(x);
  for (let number = 0; number < restarts && !found.done; number++) {
    const start = seed === null && !number ? x.slice() : randomStart(x, threat, seed ?? 0, number);
    await walk(oracle, y, threat, clipped(start, box), box, { found, steps, size }, (done) =>
      progress?.(number * (steps + 1) + done, restarts * (steps + 1)),
    );
  }
  return found;
}

/**
 * Return a picture evenly drawn from the cube around x; it is not yet inside the bounds.
 * @param {Float32Array} x
 * @param {Threat} threat
 * @param {number} seed
 * @param {number} stream
 */
export function randomStart(x, threat, seed, stream) {
  const noise = uniform(seed, x.length, stream);
  return x.map((value, i) => value + threat.eps * (2 * noise[i] - 1));
}

/**
 * Ascend from `moved` and note what is met.
 * @param {Asked} oracle
 * @param {number} y
 * @param {Threat} threat
 * @param {Float32Array} moved
 * @param {[Float32Array, Float32Array]} box
 * @param {{found: Found, steps: number, size: number}} task
 * @param {(done: number) => void | Promise<void>} progress
 */
async function walk(oracle, y, threat, moved, box, { found, steps, size }, progress) {
  for (let number = 0; number <= steps; number++) {
    const { gradient, margin, logits } = await oracle.ask(moved, threat.wanted(y));
    found.steps++;
    const loss = threat.sign * margin;
    const reached = threat.reached(logits, y);
    if (reached || loss > found.loss) Object.assign(found, { x: moved.slice(), loss, done: reached });
    await progress(number + 1);
    if (number === steps || reached) return;
    const way = threat.sign * size;
    moved = clipped(moved.map((value, i) => value + way * Math.sign(gradient[i])), box);
  }
}

/**
 * @param {Float32Array} x
 * @param {[Float32Array, Float32Array]} box
 */
const clipped = (x, [low, high]) => x.map((value, i) => Math.min(Math.max(value, low[i]), high[i]));
