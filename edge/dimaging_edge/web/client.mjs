// @ts-check
/** The page's side of `worker.mjs`: tasks with progress, a cancel, and a watchdog that starts a stuck worker anew. */
import { DimagingError } from "./errors.mjs";

const SILENCE_MS = 180_000; // a tile takes seconds, on a slow phone tens of them

/** How often a worker that ends before any task is begun anew. */
const MOST_FAILURES = 5;

/** @typedef {(progress: {done: number, total: number, more?: any}) => void} Progress */

/** Tasks for the worker, one after the other. */
export class Client {
  /**
   * @param {any} listing
   * @param {number} threads
   */
  constructor(listing, threads) {
    this.listing = listing;
    this.threads = threads;
    this.count = 0;
    this.failures = 0; // since a task last came to its end
    /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void, progress?: Progress}>} */
    this.tasks = new Map();
    this.begin();
  }

  /** @private */
  begin() {
    this.worker = new Worker(new URL("worker.mjs", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = (event) => this.restart(`the worker stopped: ${event.message || "out of memory?"}`);
    this.ready = this.send("start", { listing: this.listing, threads: this.threads });
    this.ready.catch(() => undefined); // who calls next hears of it
  }

  /**
   * Run a verb of the worker.
   * @param {string} verb
   * @param {any} args
   * @param {{progress?: Progress, signal?: AbortSignal}} options
   */
  async call(verb, args, { progress, signal } = {}) {
    await this.ready;
    if (signal?.aborted) throw new DimagingError("cancelled"); // while the worker began
    return this.send(verb, args, progress, signal);
  }

  /**
   * @private
   * @param {string} verb
   * @param {any} args
   * @param {Progress} [progress]
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  send(verb, args, progress, signal) {
    const id = ++this.count;
    return new Promise((resolve, reject) => {
      this.tasks.set(id, { resolve, reject, progress });
      signal?.addEventListener("abort", () => this.worker?.postMessage({ cancel: id }));
      this.worker?.postMessage({ id, verb, args });
      this.watch();
    });
  }

  /** @private */
  watch() {
    clearTimeout(this.timer);
    if (!this.tasks.size) return;
    this.timer = setTimeout(() => this.restart("nothing was heard for three minutes"), SILENCE_MS);
  }

  /**
   * @private
   * @param {any} data
   */
  hear({ id, progress, result, error }) {
    const task = this.tasks.get(id);
    if (task && progress) task.progress?.(progress);
    if (task && !progress) {
      this.tasks.delete(id);
      this.failures = 0;
      if (error === undefined) task.resolve(result);
      else task.reject(new DimagingError(error));
    }
    this.watch();
  }

  /**
   * End the worker with all its tasks and begin a new one.
   * @param {string} why
   */
  restart(why) {
    this.worker?.terminate();
    const tasks = [...this.tasks.values()];
    this.tasks.clear();
    clearTimeout(this.timer);
    for (const task of tasks) task.reject(new DimagingError(`${why}; the page began anew, try a smaller picture`));
    if (++this.failures < MOST_FAILURES) return this.begin();
    this.ready = Promise.reject(new DimagingError(`${why}; load the page again`));
    this.ready.catch(() => undefined);
  }
}
