// @ts-check
/** The device and the software a figure belongs to; null is unknown, as a browser tells little. */

/**
 * @param {number} threads
 * @param {import("./worker.mjs").Listing} listing
 */
export async function environment(threads, listing) {
  const agent = /** @type {any} */ (navigator).userAgentData;
  const told = agent ? await agent.getHighEntropyValues(["model", "platformVersion", "architecture"]) : {};
  const battery = await battered();
  return {
    cpu: told.model || null, machine: told.architecture || "unknown",
    system: agent ? `${agent.platform} ${told.platformVersion ?? ""}`.trim() : navigator.platform || "unknown",
    cores: navigator.hardwareConcurrency || 1, threads, provider_asked: "wasm", provider_used: "wasm", governor: null,
    load: null, versions: { dimaging: listing.dimaging, "onnxruntime-web": listing.onnxruntime_web },
    browser: agent?.brands?.at(-1) ? `${agent.brands.at(-1).brand} ${agent.brands.at(-1).version}` : navigator.userAgent,
    isolated: crossOriginIsolated, battery,
  };
}

async function battered() {
  try {
    const { charging, level } = await /** @type {any} */ (navigator).getBattery();
    return { charging, level };
  } catch {
    return null;
  }
}
