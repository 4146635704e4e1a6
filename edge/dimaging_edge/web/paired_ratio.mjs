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

/** @typedef {{ratio: number, reference: number}} Round the ratio, and the reference's time in ms */
/** @typedef {() => Promise<unknown>} Run */

/**
 * @param {Run} graph
 * @param {Run} reference
 * @param {number} tick of the clock, in ms
 * @param {number} seconds
 */
export async function roundsOf(graph, reference, tick, seconds) {
  const least = Math.max(5, 20 * tick);
  const [mine, other] = [await once(graph), await once(reference)];
  const length = Math.max(mine, other, least);
  const runs = [Math.ceil(length / mine), Math.ceil(length / other)];
  /** @type {Round[]} */
  const found = [];
  const begin = performance.now();
  while (performance.now() - begin < 1000 * seconds || found.length < 4) {
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

/** @param {{rounds: Round[], seconds: number}} measured */
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
