// @ts-check
/**
 * The report of `dimaging-edge bench` (schema 1) from a browser: the same keys, null for what it cannot know.
 *
 * A browser's clock ticks coarsely (5 us where the page is isolated, else 100 us), so a sample lasts 20 ticks or more:
 * short graphs are run several times a sample. Milliseconds of a phone depend on its heat; the ratio to a fixed
 * convolution, timed in turns, does less.
 */
import { PATIENCE_S, roundsOf, summary, verdict } from "./paired_ratio.mjs";

/** @typedef {import("./bundle/open.mjs").Bundle} Bundle */

/**
 * Measure all graphs of a bundle on its own examples. `most`: the budget of each, in times of the reference.
 * @param {Bundle} bundle
 * @param {any} reference session of the reference convolution
 * @param {any} ort
 * @param {{seconds: number, most?: number | null, environment: any, progress: (done: number, total: number, more?: any) => Promise<void>}} options
 */
export async function bench(bundle, reference, ort, { seconds, most = null, environment, progress }) {
  const { manifest } = bundle;
  const names = Object.keys(manifest.graphs);
  const tick = clockTick();
  const x = Float32Array.from({ length: 64 * 56 * 56 }, (_, i) => ((i * 2654435761) % 4096) / 4096);
  const convolve = () => reference.run({ x: new ort.Tensor("float32", x, [1, 64, 56, 56]) });
  const graphs = [];
  const gates = [];
  for (const [number, name] of names.entries()) {
    await progress(2 * number, 2 * names.length, `${name}: latency`);
    const { inputs } = await bundle.examples(name);
    const run = () => bundle.run(name, inputs);
    await bundle.release(name);
    const begin = performance.now();
    await bundle.session(name);
    const loaded = performance.now();
    await run();
    const first = performance.now();
    const warm = await samples(run, tick, Math.max(0.3, seconds / 4));
    const times = await samples(run, tick, seconds);
    const p50 = percentile(times, 50);
    const { macs } = /** @type {any} */ (bundle.graph(name));
    graphs.push({
      graph: name, batch: 1, macs, file_bytes: manifest.files[bundle.graph(name).file].bytes,
      warm_up: { runs: warm.length + 1, settled: true }, samples_ns: times, n: times.length,
      fresh: {
        session_ms: loaded - begin, first_ms: first - loaded, peak_bytes: null, baseline_bytes: null, nodes: {},
      },
      latency_ms: {
        p50: p50 / 1e6, p90: percentile(times, 90) / 1e6, p99: times.length >= 500 ? percentile(times, 99) / 1e6 : null,
      },
      items_per_s: 1e9 / mean(times), gmac_per_s: macs ? macs / p50 : null,
      first_part_per_s: 1e9 / mean(times.slice(0, Math.ceil(times.length / 4))),
      last_part_per_s: 1e9 / mean(times.slice(-Math.ceil(times.length / 4))),
    });
    await progress(2 * number + 1, 2 * names.length, `${name}: ratio to the reference convolution`);
    const least = most === null ? 1 : PATIENCE_S;
    const decided = (/** @type {import("./paired_ratio.mjs").Summary} */ one) => most !== null && verdict(one, most) !== "too noisy to say";
    const ratio = summary(await roundsOf(run, convolve, tick, Math.max(least, seconds), decided));
    gates.push({ graph: name, ratio, max_ratio: most, verdict: verdict(ratio, most) });
  }
  const { model, model_id, precision } = manifest;
  return {
    schema: 1, model, model_id, precision, batch: 1, environment: { ...environment, clock_ns: tick * 1e6 }, graphs,
    gates,
  };
}

/** Return the smallest step of the clock that was seen, in ms. */
function clockTick() {
  let smallest = Infinity;
  for (let i = 0; i < 20; i++) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    smallest = Math.min(smallest, now - begin);
  }
  return smallest;
}

/**
 * Return the nanoseconds of single runs, for so many seconds and at least 5 samples.
 * @param {() => Promise<unknown>} run
 * @param {number} tick
 * @param {number} seconds
 */
async function samples(run, tick, seconds) {
  const found = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end || found.length < 5) {
    const begin = performance.now();
    let runs = 0;
    let now = begin;
    while (now - begin < 20 * tick) {
      await run();
      runs++;
      now = performance.now();
    }
    found.push(Math.max(1, Math.round(((now - begin) * 1e6) / runs)));
  }
  return found;
}

/** @param {number[]} values */
export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/**
 * Return a percentile with linear interpolation, as numpy.
 * @param {ArrayLike<number>} values
 * @param {number} percent
 */
export function percentile(values, percent) {
  const sorted = Float64Array.from(values).sort();
  const at = ((sorted.length - 1) * percent) / 100;
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}
