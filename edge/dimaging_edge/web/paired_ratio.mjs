// @ts-check
/**
 * The time of a graph as a ratio to the reference convolution: both are timed in turns, so that a drift hits both.
 *
 * One round is four blocks, graph-reference-reference-graph, the next the other way round. The statistic is the median
 * over rounds, with a bootstrap interval of 99 %. It follows `benchmark/paired_ratio.py`, but on the wall clock.
 */
import { mean, percentile } from "./bench.mjs";
import { bits } from "./random.mjs";

const RESAMPLES = 2000;
const FEWEST = 12;
const UNEVEN = 0.5;
/** The least time, in s, of a measurement that raises an alarm. */
export const PATIENCE_S = 10;

/** @typedef {{ratio: number, reference: number}} Round the ratio, and the reference's time in ms */
/** @typedef {() => Promise<unknown>} Run */

/**
 * @param {Run} graph
 * @param {Run} reference
 * @param {number} tick of the clock, in ms
 * @param {number} seconds
 * @param {(so_far: Summary) => boolean} enough whether to stop before, asked each time that half as many again are in
 */
export async function roundsOf(graph, reference, tick, seconds, enough = () => false) {
  const least = Math.max(5, 20 * tick);
  const [mine, other] = [await once(graph), await once(reference)];
  const length = Math.max(mine, other, least);
  const runs = [Math.ceil(length / mine), Math.ceil(length / other)];
  /** @type {Round[]} */
  const found = [];
  const begin = performance.now();
  let due = FEWEST;
  while (performance.now() - begin < 1000 * seconds || found.length < 4) {
    const so_far = (performance.now() - begin) / 1000;
    if (found.length >= due && so_far >= 1) {
      due = Math.ceil(1.5 * found.length);
      if (enough(summary({ rounds: found, seconds: so_far }))) break;
    }
    const order = found.length % 2 ? [1, 0, 0, 1] : [0, 1, 1, 0];
    const times = [0, 0];
    for (const side of order) times[side] += await block(side ? reference : graph, runs[side]);
    const each = times.map((time, side) => time / 2 / runs[side]);
    found.push({ ratio: each[0] / each[1], reference: each[1] });
  }
  return { rounds: found, seconds: (performance.now() - begin) / 1000 };
}

/** @param {Run} run */
async function once(run) {
  await run();
  return Math.max(0.001, Math.min(await block(run, 1), await block(run, 1)));
}

/**
 * @param {Run} run
 * @param {number} count
 */
async function block(run, count) {
  const begin = performance.now();
  for (let i = 0; i < count; i++) await run();
  return performance.now() - begin;
}

/**
 * @typedef {{ratio: number, low: number, high: number, spread: number, rounds: number[], waited: number, seconds: number,
 *   reference_ms: number}} Summary
 */

/**
 * @param {{rounds: Round[], seconds: number}} measured
 * @returns {Summary}
 */
export function summary({ rounds, seconds }) {
  const ratios = rounds.map((round) => round.ratio);
  const [low, high] = medianInterval(ratios);
  const times = rounds.map((round) => round.reference);
  const spread = (percentile(times, 75) - percentile(times, 25)) / percentile(times, 50);
  return {
    ratio: percentile(ratios, 50), low, high, spread, rounds: ratios, waited: rounds.length, seconds,
    reference_ms: mean(times),
  };
}

/**
 * Return the bootstrap interval of the median.
 * @param {number[]} values
 */
export function medianInterval(values) {
  const picks = bits(0, RESAMPLES * values.length);
  const medians = Array.from({ length: RESAMPLES }, (_, i) => {
    const sample = values.map((_, j) => values[picks[i * values.length + j] % values.length]);
    return percentile(sample, 50);
  });
  return [percentile(medians, 0.5), percentile(medians, 99.5)];
}

/**
 * Return what a budget says of a ratio: the whole interval must lie on one side of it, and an alarm takes PATIENCE_S
 * seconds of which no fifth was within the budget. The words are those of `benchmark/budget.py`.
 * @param {Summary} found
 * @param {number | null} most
 */
export function verdict({ low, high, spread, rounds, seconds }, most) {
  if (most === null) return "no budget";
  if (rounds.length >= FEWEST && spread <= UNEVEN) {
    if (high <= most) return "ok";
    if (low > most && seconds >= PATIENCE_S && best(rounds) > most) return "over budget";
  }
  return "too noisy to say";
}

/**
 * Return the lowest median of five consecutive parts, cut as numpy's array_split cuts.
 * @param {number[]} rounds
 */
function best(rounds) {
  const [size, longer] = [Math.floor(rounds.length / 5), rounds.length % 5];
  const medians = [];
  let at = 0;
  for (let i = 0; i < 5; i++) {
    const part = rounds.slice(at, (at += size + (i < longer ? 1 : 0)));
    if (part.length) medians.push(percentile(part, 50));
  }
  return Math.min(...medians);
}
